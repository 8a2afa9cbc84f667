#include "module.h"

/* Why an attempt did not resume, in words. The library is linked in, so there are no others. */
static const char *const names[] = {
    [TSC_REASON_NOTHING_STORED] = "nothing_stored",
    [TSC_REASON_EXPIRED] = "expired",
    [TSC_REASON_EVICTED] = "evicted",
    [TSC_REASON_TAKEN] = "taken",
    [TSC_REASON_REFUSED] = "refused",
    [TSC_REASON_WITHHELD] = "withheld",
    [TSC_REASON_WAITED_IN_VAIN] = "waited_in_vain",
    [TSC_REASON_NOT_SENT] = "not_sent",
    [TSC_REASON_NOT_ASKED] = "not_asked",
    [TSC_REASON_CACHE_OFF] = "cache_off",
    [TSC_REASON_FAILED] = "failed",
    [TSC_REASON_OTHER_VERIFICATION] = "other_verification",
    [TSC_REASON_AGENT_AWAY] = "agent_away",
};

const char *reason_name(uint32_t reason) {
    return names[reason];
}
