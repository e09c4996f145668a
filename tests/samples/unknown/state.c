// The state of a library, in another one.
int unknown_state;
