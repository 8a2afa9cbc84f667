// A program of two libraries that each have a libtsc in them.

#include <stdio.h>

int one_sessions(int count);
int two_sessions(int count);

int main(void) {
    // Each adds to its own.
    int found[] = {one_sessions(2), two_sessions(3), one_sessions(1), two_sessions(0)};
    static const int expected[] = {2, 3, 3, 3};
    for (int i = 0; i < 4; i++)
        if (found[i] != expected[i]) {
            fprintf(stderr, "call %d: %d and not %d\n", i, found[i], expected[i]);
            return 1;
        }
    return 0;
}
