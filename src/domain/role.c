#include "domain/role.h"

static const str names[] = {[ROLE_NONE] = STR_INIT(""),
                            [ROLE_MEMBER] = STR_INIT("member"),
                            [ROLE_ADMIN] = STR_INIT("admin"),
                            [ROLE_OWNER] = STR_INIT("owner")};

enum role role_read(str name)
{
    for (int r = ROLE_MEMBER; r <= ROLE_OWNER; r++)
        if (str_eq(name, names[r]))
            return (enum role)r;
    return ROLE_NONE;
}

str role_name(enum role r) { return names[r]; }

bool role_may_change(enum role by, enum role from, enum role to, int64_t owners, struct err *e)
{
    if (by < ROLE_ADMIN)
        return fail(e, ERR_DENIED, "this needs an owner or an admin of the workspace");
    if (by < ROLE_OWNER && (from == ROLE_OWNER || to == ROLE_OWNER))
        return fail(e, ERR_DENIED, "only an owner makes owners, or changes them");
    if (from == ROLE_OWNER && to != ROLE_OWNER && owners <= 1)
        return fail(e, ERR_CONFLICT,
                    "this is the last owner of the workspace: make somebody else an owner first");
    return true;
}

int64_t sign_in_wait_ms(int64_t failures, int64_t free)
{
    enum { FIRST_MS = 1000, LONGEST_MS = 15 * 60 * 1000 };
    int64_t wait_ms = FIRST_MS;
    if (failures < free)
        return 0;
    for (int64_t i = free; i < failures && wait_ms < LONGEST_MS; i++)
        wait_ms *= 2;
    return wait_ms < LONGEST_MS ? wait_ms : LONGEST_MS;
}
