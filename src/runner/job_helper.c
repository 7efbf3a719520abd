#include "runner/job_helper.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/io.h"
#include "runner/job.h"

enum { TOKEN_BYTES = 16 << 10, SSH_ARGS_MOST = 64 };

bool helper_links(const char *dir, struct err *e)
{
    static const char *const names[] = {HELPER_ASKPASS, HELPER_SSH};
    char self[PATH_MAX], link[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return fail_errno(e, "finding our own program: %m");
    self[n] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(link, sizeof link, "%s/%s", dir, names[i]);
        if (symlink(self, link) < 0)
            return fail_errno(e, "%s: %m", link);
    }
    return true;
}

bool askpass_prompt_is_of(const char *prompt, const char *host)
{
    str p = str_of(prompt), address, rest;
    (void)str_cut(p, '\'', &address);
    address = str_cut(address, '\'', &rest);
    if (!str_starts(address, STR("https://")))
        return false;
    address = str_cut(str_sub(address, 8, address.len), '/', &rest);
    return *host && str_eq_nocase(str_after_last(address, '@'), str_of(host));
}

static int askpass(int argc, char **argv)
{
    const char *fd_text = getenv(ASKPASS_FD), *host = getenv(ASKPASS_HOST);
    static char token[TOKEN_BYTES];
    struct err e = {0};
    int64_t fd;
    if (argc < 2 || !fd_text || !host || !askpass_prompt_is_of(argv[1], host) ||
        !str_to_i64(str_of(fd_text), 3, INT32_MAX, &fd))
        return 1;
    if (str_starts(str_of(argv[1]), STR("Username")))
        return io_write_all(1, STR(ASKPASS_USER "\n"), &e) ? 0 : 1;
    ssize_t n = pread((int)fd, token, sizeof token - 1, 0);
    if (n <= 0)
        return 1;
    token[n] = '\n';
    return io_write_all(1, (str){token, (size_t)n + 1}, &e) ? 0 : 1;
}

static int ssh(int argc, char **argv)
{
    char *args[SSH_ARGS_MOST + 4] = {(char[]){"ssh"}, (char[]){"-F"}, getenv(SSH_CONFIG)};
    if (!args[2] || argc > SSH_ARGS_MOST)
        return 255;
    for (int i = 1; i < argc; i++)
        args[2 + i] = argv[i];
    execvp("ssh", args);
    fprintf(stderr, "ssh cannot be started: %s. Install openssh-client\n", strerrordesc_np(errno));
    return 255;
}

bool runner_job_helper(int argc, char **argv, int *code)
{
    str name = argc > 0 ? str_after_last(str_of(argv[0]), '/') : STR_NONE;
    if (str_eq(name, STR(HELPER_ASKPASS)))
        *code = askpass(argc, argv);
    else if (str_eq(name, STR(HELPER_SSH)))
        *code = ssh(argc, argv);
    else
        return false;
    return true;
}
