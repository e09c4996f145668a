// So that the library is linked in.

extern int loaded(int number);
extern int (*const uses_based)(int number);

int (*const uses_based)(int number) = loaded;
