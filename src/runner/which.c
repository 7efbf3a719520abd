#include "runner/which.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 4096 };
static char search[PATH_BYTES_MAX];

void which_start(void)
{
    const char *path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (char **each = environ; *each; each++)
        if (strncmp(*each, "PATH=", 5) == 0)
            path = *each + 5;
    snprintf(search, sizeof search, "%s", path);
}

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

bool which(str name, char *out, size_t room)
{
    char path[PATH_BYTES_MAX];
    if (str_find(name, '/', 0) < name.len) {
        snprintf(path, sizeof path, PRI_STR, FMT_STR(name));
        bool found = is_program(path);
        if (found && out)
            snprintf(out, room, "%s", path);
        return found;
    }
    for (str rest, left = str_of(search); left.len; left = rest) {
        str folder = str_cut(left, ':', &rest);
        if (!folder.len || folder.ptr[0] != '/')
            continue;       /* never from wherever we happen to be */
        snprintf(path, sizeof path, PRI_STR "/" PRI_STR, FMT_STR(folder), FMT_STR(name));
        if (is_program(path)) {
            if (out)
                snprintf(out, room, "%s", path);
            return true;
        }
    }
    return false;
}
