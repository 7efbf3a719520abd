#include "runner/settings_check.h"

#include "base/buf.h"
#include "base/secret.h"

enum { TOKEN_CHARS_MIN = 32, TOKEN_CHARS_MAX = 4096, URL_BYTES_MAX = 2048, REF_BYTES_MAX = 255 };

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool all(str s, const char *also)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_word(s.ptr[i]) && !(s.ptr[i] && strchr(also, s.ptr[i])))
            return false;
    return s.len > 0;
}

static bool has_blank_or_control(str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] <= ' ' || s.ptr[i] == 0x7f)
            return true;
    return false;
}

/* ---- tokens ---- */

static bool check_token(struct arena *mem, const char *name, str token, struct err *e)
{
    if (token.len < TOKEN_CHARS_MIN)
        return problem(mem, e, "%s is shorter than %d characters: make one with openssl rand -hex 32",
                       name, TOKEN_CHARS_MIN);
    if (token.len > TOKEN_CHARS_MAX || has_blank_or_control(token))
        return problem(mem, e, "%s must be one word of at most %d characters", name,
                       TOKEN_CHARS_MAX);
    return true;
}

bool settings_check_tokens(struct arena *mem, const struct runner_settings *s, struct err *e)
{
    bool ok = true;
    if (!s->auth_token.text.len)
        ok = problem(mem, e, "RUNNER_AUTH_TOKEN must be set: make one with openssl rand -hex 32");
    else
        ok = check_token(mem, "RUNNER_AUTH_TOKEN", s->auth_token.text, e);
    if (s->auth_token_previous.text.len)
        ok &= check_token(mem, "RUNNER_AUTH_TOKEN_PREVIOUS", s->auth_token_previous.text, e);
    return ok;
}

/* ---- the repository ---- */

bool ref_valid(str ref)
{
    if (ref.len > REF_BYTES_MAX || !all(ref, "./-+@#=,") || strchr("-./", ref.ptr[0]))
        return false;
    return !str_has(ref, STR("..")) && !str_has(ref, STR("//")) && !str_has(ref, STR("/.")) &&
           !str_ends(ref, STR("/")) && !str_ends(ref, STR(".")) && !str_ends(ref, STR(".lock")) &&
           !str_eq(ref, STR("@"));
}

/* host[:port]/path, and no user in it when there must be none */
static bool place_valid(str rest, bool user_allowed)
{
    size_t slash = str_find(rest, '/', 0);
    str place = str_sub(rest, 0, slash), path = str_sub(rest, slash + 1, rest.len);
    str host, user = str_cut(place, '@', &host);
    if (host.ptr && (!user_allowed || !all(user, ".-") || user.ptr[0] == '-'))
        return false;
    host = host.ptr ? host : place;
    return path.len && all(host, ".-:[]") && host.ptr[0] != '-' && host.ptr[0] != ':';
}

static bool is_scp_form(str url)
{
    size_t colon = str_find(url, ':', 0);
    str rest, place = str_sub(url, 0, colon), path = str_sub(url, colon + 1, url.len);
    str user = str_cut(place, '@', &rest);
    return rest.ptr && all(user, ".-") && user.ptr[0] != '-' && all(rest, ".-") &&
           rest.ptr[0] != '-' && path.len && path.ptr[0] != '-' && !str_starts(path, STR(":"));
}

static bool is_ssh(str url)
{
    return str_starts(url, STR("ssh://")) ? place_valid(str_sub(url, 6, url.len), true)
                                          : is_scp_form(url);
}

static bool is_local(str url)
{
    return str_starts(url, STR("file:///")) || str_starts(url, STR("/"));
}

static bool check_url(struct arena *mem, const struct runner_settings *s, struct err *e)
{
    str url = s->repo_url.text;
    if (!url.len)
        return problem(mem, e, "ATMOS_REPO_URL must be set");
    if (str_starts(url, STR("https://")) && str_has(str_sub(url, 8, str_find(url, '/', 8)), STR("@")))
        return problem(mem, e, "ATMOS_REPO_URL holds credentials: use GIT_HTTPS_TOKEN instead");
    bool known = is_ssh(url) || (is_local(url) && s->allow_local_repo.n) ||
                 (str_starts(url, STR("https://")) && place_valid(str_sub(url, 8, url.len), false));
    if (url.len > URL_BYTES_MAX || has_blank_or_control(url) || str_has(url, STR("::")) || !known)
        return problem(mem, e, "ATMOS_REPO_URL must be https://HOST/PATH, ssh://USER@HOST/PATH or "
                               "USER@HOST:PATH");
    return true;
}

/* Of the two forms that ssh-keygen writes, both say it near their beginning. */
static bool is_encrypted(struct arena *mem, str key)
{
    static const char begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
    str bytes;
    if (str_has(key, STR("ENCRYPTED")))
        return true;
    if (!str_starts(key, str_of(begin)))
        return false;
    str body = str_sub(key, sizeof begin - 1, key.len);
    body = str_trim(str_sub(body, 0, str_find(body, '-', 0)));
    if (!base64_read(mem, body, &bytes) || bytes.len < 23)
        return false;
    return !str_eq(str_sub(bytes, 15, 23), ((str){ "\0\0\0\4none", 8 }));
}

/* A key that came through a variable may have its line ends written as \n. */
static str lines_of(struct arena *mem, str key)
{
    struct buf b;
    buf_init(&b, mem, key.len + 1);
    for (size_t i = 0; i < key.len; i++) {
        bool escaped = key.ptr[i] == '\\' && i + 1 < key.len && key.ptr[i + 1] == 'n';
        i += escaped;
        if (escaped || key.ptr[i] != '\r')
            buf_char(&b, escaped ? '\n' : key.ptr[i]);
    }
    return buf_str(&b);
}

static bool check_ssh(struct arena *mem, struct runner_settings *s, struct err *e)
{
    bool ok = true;
    s->ssh_key.text = str_trim(lines_of(mem, s->ssh_key.text));
    if (s->ssh_key.text.len && is_encrypted(mem, s->ssh_key.text))
        ok = problem(mem, e, "GIT_SSH_KEY has a passphrase, and nobody is there to type it: make "
                             "a deploy key without one");
    if (s->ssh_key.text.len && !str_starts(s->ssh_key.text, STR("-----BEGIN ")))
        ok = problem(mem, e, "GIT_SSH_KEY is no private key: it must begin with -----BEGIN; to "
                             "name a file, use GIT_SSH_KEY_FILE");
    if (!is_ssh(s->repo_url.text))
        return ok;
    if (!s->ssh_key.text.len)
        ok = problem(mem, e, "ATMOS_REPO_URL goes over SSH: set GIT_SSH_KEY, too");
    if (!s->repo_known_hosts.text.len)
        ok = problem(mem, e, "ATMOS_REPO_URL goes over SSH: set ATMOS_REPO_KNOWN_HOSTS to the "
                             "server's host keys, which are always checked (ssh-keyscan HOST "
                             "prints them; compare with what the server's owner publishes)");
    return ok;
}

/* ---- callbacks ---- */

static bool check_callback(struct arena *mem, const struct runner_settings *s, struct err *e)
{
    bool ok = true;
    str item, hosts = s->callback_hosts.text, ports = s->callback_ports.text;
    int64_t n;
    while (list_next(&hosts, &item)) {
        str name = str_starts(item, STR("*.")) ? str_sub(item, 2, item.len) : item;
        if (!all(name, ".-:[]") || str_starts(name, STR(".")))
            ok = problem(mem, e, "CALLBACK_ALLOWED_HOSTS: " PRI_STR " is neither a host nor "
                                 "*.suffix", FMT_STR(str_clip(item, 100)));
    }
    while (list_next(&ports, &item))
        if (!str_eq(item, STR("*")) && !str_to_i64(item, 1, 65535, &n))
            ok = problem(mem, e, "CALLBACK_ALLOWED_PORTS: " PRI_STR " is no port",
                         FMT_STR(str_clip(item, 100)));
    if (s->private_callback.n && !s->callback_hosts.text.len)
        ok = problem(mem, e, "ALLOW_PRIVATE_CALLBACK is for named hosts only: name them in "
                             "CALLBACK_ALLOWED_HOSTS");
    return ok;
}

/* ---- variables ---- */

bool variable_name_valid(str name)
{
    return name.len <= 64 && all(name, "") && !(name.ptr[0] >= '0' && name.ptr[0] <= '9');
}

bool variable_may_be_plain(str name)
{
    static const char *const taken[] = {
        "PATH", "HOME", "TMPDIR", "SHELL", "USER", "IFS", "ENV", "BASH*", "LD_*", "GIT_*", "SSH_*",
        "ATMOS_*", "TF_*", "AWS_*", "GOOGLE_*", "ARM_*", "XDG_*", "RUNNER_*", "PYTHON*", "PERL*",
        "NODE_*", "GLIBC_*", "LC_*", "LANG", "CI", "*_PROXY", "*_proxy",
    };
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (glob_match(str_of(taken[i]), name))
            return false;
    return variable_name_valid(name);
}

static bool check_plain(struct arena *mem, const struct runner_settings *s, struct err *e)
{
    bool ok = true;
    str item, names = s->vars_export_plain.text;
    while (list_next(&names, &item))
        if (!variable_may_be_plain(item))
            ok = problem(mem, e, "VARS_EXPORT_PLAIN: " PRI_STR " is no name that a dispatch may set",
                         FMT_STR(str_clip(item, 100)));
    return ok;
}

/* ---- folders ---- */

static bool check_folder(struct arena *mem, const char *name, str path, struct err *e)
{
    bool inside = str_has(path, STR("/../")) || str_ends(path, STR("/..")) ||
                  str_has(path, STR("//")) || str_has(path, STR("/./"));
    if (path.len < 2 || path.len > 1024 || path.ptr[0] != '/' || inside ||
        str_ends(path, STR("/")))
        return problem(mem, e, "%s must be an absolute path without .. and without a slash at its "
                               "end", name);
    return true;
}

static bool is_within(str path, str folder)
{
    return str_eq(path, folder) ||
           (str_starts(path, folder) && path.ptr[folder.len] == '/');
}

static bool check_folders(struct arena *mem, const struct runner_settings *s, struct err *e)
{
    str work = s->work_dir.text, state = s->state_dir.text;
    bool ok = check_folder(mem, "WORK_DIR", work, e);
    ok &= check_folder(mem, "STATE_DIR", state, e);
    if (ok && (is_within(work, state) || is_within(state, work)))
        ok = problem(mem, e, "WORK_DIR and STATE_DIR must not lie in one another: a run could then "
                             "reach what is stored");
    return ok;
}

bool settings_check(struct arena *mem, struct runner_settings *s, struct err *e)
{
    bool ok = settings_check_tokens(mem, s, e);
    ok &= check_url(mem, s, e);
    ok &= check_ssh(mem, s, e);
    if (!ref_valid(s->repo_branch.text))
        ok = problem(mem, e, "ATMOS_REPO_BRANCH is no name of a branch");
    ok &= check_callback(mem, s, e);
    ok &= check_plain(mem, s, e);
    ok &= check_folders(mem, s, e);
    return ok;
}
