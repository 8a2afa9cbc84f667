// A program that prints the text of a status. -DSECOND: written for the library with second.c.

#include <stdio.h>

#ifdef SECOND
#include <stdint.h>
const char *tsc_status_text(const char *before, uint32_t status);
#define TEXT tsc_status_text("second: ", 0)
#else
#include "tsc.h"
#define TEXT tsc_status_text(TSC_OK)
#endif

int main(void) {
    puts(TEXT);
    return 0;
}
