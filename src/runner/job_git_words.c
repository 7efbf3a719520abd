#include "runner/job_git_words.h"

#include "base/buf.h"

/* %h: host, %u: address, %b: branch, %k: the key that the host showed, %c: how to ask for it. */
static const struct trouble {
    const char *sign, *text;
    bool        is_network, asks_for_branches;
} troubles[] = {
    {"REMOTE HOST IDENTIFICATION HAS CHANGED",
     "the host key of %h is another than the one in ATMOS_REPO_KNOWN_HOSTS: it showed %k. Either "
     "somebody is in between, or the host has a new key: only when its owner confirms that "
     "fingerprint, replace the line of %h there", false, false},
    {"Host key verification failed",
     "the host key of %h is not in ATMOS_REPO_KNOWN_HOSTS: it showed %k. When its owner confirms "
     "that fingerprint, add the line that `%c` prints", false, false},
    {"No user exists for uid",
     "ssh refuses to run for a user without a name: give the runner's UID a line in /etc/passwd",
     false, false},
    {"Load key",
     "ssh cannot read GIT_SSH_KEY: it must be a whole private key without a passphrase", false,
     false},
    {"Permission denied (",
     "%h refused GIT_SSH_KEY: add its public half as a deploy key of the repository (%u), or "
     "correct the user name in ATMOS_REPO_URL", false, false},
    {"Authentication failed",
     "%h refused the token: GIT_HTTPS_TOKEN must be one that may read %u", false, false},
    {"could not read Username",
     "%h asks for a token: set GIT_HTTPS_TOKEN to one that may read %u", false, false},
    {"could not read Password",
     "%h asks for a token: set GIT_HTTPS_TOKEN to one that may read %u", false, false},
    {"returned error: 401",
     "%h refused the token: GIT_HTTPS_TOKEN must be one that may read %u", false, false},
    {"returned error: 403",
     "%h does not let the token read %u: look at its rights (GIT_HTTPS_TOKEN)", false, false},
    {"certificate",
     "the TLS certificate of %h is not trusted. For a private authority, set SSL_CERT_FILE to its "
     "certificates and add SSL_CERT_FILE to PASS_ENV", false, false},
    {"couldn't find remote ref", "%u has no %b", false, true},
    {"not our ref", "%u has no commit %b, or does not give it out by its name", false, false},
    {"unadvertised object", "%u does not give out commits by their names (%b): name a branch or tag",
     false, false},
    {"Remote branch", "%u has no branch %b", false, true},
    {"does not appear to be a git repository", "there is no git repository at %u", false, false},
    {"epository not found", "there is no repository at %u, or GIT_HTTPS_TOKEN or GIT_SSH_KEY may "
                            "not see it", false, false},
    {"' not found", "there is no repository at %u, or GIT_HTTPS_TOKEN or GIT_SSH_KEY may not see it",
     false, false},
    {"does not exist", "there is no repository at %u", false, false},
    {"not allowed", "git may not use the protocol of %u (or of a submodule): only https and ssh",
     false, false},
    {"No space left on device", "the disk of WORK_DIR is full", false, false},
    {"Could not resolve host", "the name %h cannot be resolved", true, false},
    {"Connection refused", "%h refuses connections", true, false},
    {"timed out", "%h does not answer", true, false},
    {"No route to host", "%h cannot be reached", true, false},
    {"Network is unreachable", "%h cannot be reached", true, false},
    {"Failed to connect", "%h cannot be reached", true, false},
    {"ouldn't connect to server", "%h cannot be reached", true, false},
    {"Temporary failure in name resolution", "the name %h cannot be resolved", true, false},
    {"Connection reset", "%h broke the connection off", true, false},
    {"Connection closed", "%h broke the connection off", true, false},
    {"hung up unexpectedly", "%h broke the connection off", true, false},
    {"early EOF", "%h broke the connection off", true, false},
    {"Empty reply", "%h broke the connection off", true, false},
    {"unexpected disconnect", "%h broke the connection off", true, false},
    {"returned error: 429", "%h says that it is asked too often", true, false},
    {"returned error: 5", "%h has an error of its own", true, false},
    {"RPC failed", "the transfer from %h failed", true, false},
};

str url_host(struct arena *mem, str url, str *port)
{
    *port = STR_NONE;
    str rest, scheme = STR_NONE;
    for (size_t i = 0; i + 3 <= url.len && scheme.len == 0; i++)
        if (memcmp(url.ptr + i, "://", 3) == 0)
            scheme = str_sub(url, 0, i);
    if (str_eq(scheme, STR("file")) || (scheme.len == 0 && url.len > 0 && url.ptr[0] == '/'))
        return STR_NONE;
    if (scheme.len == 0)                /* user@host:path */
        return arena_copy(mem, str_after_last(str_cut(url, ':', &rest), '@'));
    str host = str_sub(url, scheme.len + 3, url.len);
    host = str_after_last(str_cut(host, '/', &rest), '@');
    if (host.len > 0 && host.ptr[0] == '[') {
        host = str_cut(str_sub(host, 1, host.len), ']', &rest);
        if (rest.len > 1)
            *port = str_sub(rest, 1, rest.len);
        return arena_copy(mem, host);
    }
    host = str_cut(host, ':', port);
    return arena_copy(mem, host);
}

static str line_with(str said, str sign)
{
    for (str rest = said; rest.len > 0;) {
        str line = str_cut(rest, '\n', &rest);
        if (str_has(line, sign))
            return line;
    }
    return STR_NONE;
}

/* "debug1: Server host key: ssh-ed25519 SHA256:…" */
static str shown_key(str said)
{
    str sign = STR("Server host key: ");
    str line = line_with(said, sign);
    for (size_t i = 0; i + sign.len <= line.len; i++)
        if (memcmp(line.ptr + i, sign.ptr, sign.len) == 0)
            return str_trim(str_sub(line, i + sign.len, line.len));
    return STR("a key that git does not tell");
}

static str scan_command(struct arena *mem, str host, str port)
{
    if (port.len > 0)
        return arena_print(mem, "ssh-keyscan -p " PRI_STR " " PRI_STR, FMT_STR(port), FMT_STR(host));
    return arena_print(mem, "ssh-keyscan " PRI_STR, FMT_STR(host));
}

static str filled(struct arena *mem, const char *text, str said, str url, str branch)
{
    struct buf b;
    str port, host = url_host(mem, url, &port);
    buf_init(&b, mem, 16 << 10);
    for (; *text; text++) {
        if (*text != '%') {
            buf_char(&b, *text);
            continue;
        }
        switch (*++text) {
        case 'h': buf_add(&b, host.len > 0 ? host : url); break;
        case 'u': buf_add(&b, url); break;
        case 'b': buf_add(&b, branch); break;
        case 'k': buf_add(&b, shown_key(said)); break;
        case 'c': buf_add(&b, scan_command(mem, host, port)); break;
        default: break;
        }
    }
    return buf_str(&b);
}

str git_said(struct arena *mem, str said)
{
    struct buf b;
    buf_init(&b, mem, said.len + 1);
    for (str rest = said; rest.len > 0;) {
        str line = str_cut(rest, '\n', &rest);
        if (str_starts(line, STR("debug1:")) || str_starts(line, STR("OpenSSH_")) ||
            str_trim(line).len == 0)
            continue;
        buf_add(&b, line);
        buf_char(&b, '\n');
    }
    return buf_str(&b);
}

/* The line in which git gives up, or the last one. */
static str last_words(str said)
{
    str line = line_with(said, STR("fatal: "));
    if (line.len == 0)
        line = line_with(said, STR("error: "));
    for (str rest = said; line.len == 0 && rest.len > 0;) {
        str next = str_trim(str_cut(rest, '\n', &rest));
        if (str_trim(rest).len == 0)
            line = next;
    }
    return str_clip(str_trim(line), 500);
}

struct git_trouble git_trouble(struct arena *mem, str said, str url, str branch)
{
    str for_people = git_said(mem, said);
    for (size_t i = 0; i < sizeof troubles / sizeof troubles[0]; i++)
        if (str_has(for_people, str_of(troubles[i].sign)))
            return (struct git_trouble){
                .is_network = troubles[i].is_network,
                .asks_for_branches = troubles[i].asks_for_branches,
                .text = filled(mem, troubles[i].text, said, url, branch),
            };
    str last = last_words(for_people);
    return (struct git_trouble){
        .text = last.len > 0 ? arena_print(mem, "git says: " PRI_STR, FMT_STR(last))
                             : STR("git failed and said nothing"),
    };
}
