#include "forge/forge.h"

static const char *const names[] = {
    [FORGE_OK] = "ok",
    [FORGE_NOT_SENT] = "not_sent",
    [FORGE_LOST] = "lost",
    [FORGE_LIMITED] = "limited",
    [FORGE_NOT_FOUND] = "not_found",
    [FORGE_NO_ACCESS] = "no_access",
    [FORGE_REFUSED] = "refused",
};

const char *forge_outcome_name(enum forge_outcome o) { return names[o]; }

bool forge_outcome_read(str name, enum forge_outcome *out)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!str_eq(name, str_of(names[i])))
            continue;
        *out = (enum forge_outcome)i;
        return true;
    }
    return false;
}
