// What a release adds that changes the parameters of a function: the function as it was, for
// programs that were linked with it, and the new one, for those that are linked from now on.

#include <stdint.h>
#include <stdio.h>

// What the library has, under another name: run.sh renames it.
const char *first_tsc_status_text(uint32_t status);

const char *tsc_status_text_0_1(uint32_t status);
const char *tsc_status_text_0_2(const char *before, uint32_t status);

__asm__(".symver tsc_status_text_0_1, tsc_status_text@TSC_0.1");
__asm__(".symver tsc_status_text_0_2, tsc_status_text@@TSC_0.2");

const char *tsc_status_text_0_1(uint32_t status) {
    return first_tsc_status_text(status);
}

const char *tsc_status_text_0_2(const char *before, uint32_t status) {
    static char text[200];
    snprintf(text, sizeof text, "%s%s", before, first_tsc_status_text(status));
    return text;
}
