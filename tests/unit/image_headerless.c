// Linked by image_headerless.ld, which has no place for what libc would bring.
extern int headerless_number;
int headerless_number = 4711;
