// A library to be loaded and unloaded.

int loaded(int number);

int loaded(int number) {
    return number + 1;
}
