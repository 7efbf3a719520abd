/*
 * embed: turns files into a C table, at build time.
 *
 *     embed -s SYMBOL -o OUT.c [-d OUT.d] [-e .sql] [-z gzip] [-i INSTEAD] FOLDER-or-FILE …
 *
 * A folder gives every file below it (hidden ones and other endings than -e left out), named by its
 * path inside the folder; a file is named by its last part. OUT.c then holds `const struct embedded
 * SYMBOL[]` and `const size_t SYMBOL_count`. The dependency file names the folders too, so that the
 * build notices a new file.
 *
 * -z gzip: the bytes are compressed, each file as a gzip member of its own. -i: a FOLDER that is not
 * there, or is empty, is replaced by the folder INSTEAD; the build notices when it comes.
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

enum { FILES_MAX = 4096, FOLDERS_MAX = 1024, PATH_BYTES = 4096 };

struct entry { char *path, *name; };
static struct entry files[FILES_MAX];
static char *folders[FOLDERS_MAX];
static size_t file_count, folder_count;
static bool gzip;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fputs("embed: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

static char *copy(const char *z)
{
    char *c = strdup(z);

    if (!c)
        die("out of memory");
    return c;
}

static bool ends_with(const char *z, const char *end)
{
    size_t n = strlen(z), k = strlen(end);

    return k <= n && memcmp(z + n - k, end, k) == 0;
}

static void add_file(const char *path, const char *name)
{
    if (file_count == FILES_MAX)
        die("more than %d files", FILES_MAX);
    files[file_count++] = (struct entry){ copy(path), copy(name) };
}

static void add_folder(const char *path, const char *prefix, const char *ending)
{
    DIR *dir = opendir(path);

    if (!dir)
        die("%s: %s", path, strerror(errno));
    if (folder_count == FOLDERS_MAX)
        die("more than %d folders", FOLDERS_MAX);
    folders[folder_count++] = copy(path);
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        char full[PATH_BYTES], name[PATH_BYTES];
        struct stat st;

        if (d->d_name[0] == '.')
            continue;
        if (snprintf(full, sizeof(full), "%s/%s", path, d->d_name) >= (int)sizeof(full) ||
            snprintf(name, sizeof(name), "%s%s", prefix, d->d_name) >= (int)sizeof(name) - 1)
            die("path too long under %s", path);
        if (stat(full, &st) != 0)
            die("%s: %s", full, strerror(errno));
        if (S_ISDIR(st.st_mode)) {
            strncat(name, "/", sizeof(name) - strlen(name) - 1);
            add_folder(full, name, ending);
        } else if (ends_with(d->d_name, ending)) {
            add_file(full, name);
        }
    }
    closedir(dir);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static char *read_file(const char *path, size_t *len)
{
    FILE *in = fopen(path, "rbe");
    char *bytes = NULL;
    size_t cap = 0, n = 0;

    if (!in)
        die("%s: %s", path, strerror(errno));
    do {
        if (n == cap) {
            cap = cap ? cap * 2 : 65536;
            bytes = realloc(bytes, cap);
            if (!bytes)
                die("out of memory");
        }
        n += fread(bytes + n, 1, cap - n, in);
    } while (!feof(in) && !ferror(in));
    if (ferror(in))
        die("%s: %s", path, strerror(errno));
    fclose(in);
    *len = n;
    return bytes;
}

/* Without a name and a time in it, so that the same file gives the same bytes. */
static char *compress_bytes(char *plain, size_t *len)
{
    z_stream z = { .next_in = (Bytef *)plain, .avail_in = (uInt)*len };
    char *out;
    uLong most;

    if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        die("zlib cannot begin");
    most = deflateBound(&z, (uLong)*len);
    out = malloc(most);
    if (!out)
        die("out of memory");
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)most;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        die("zlib cannot compress");
    *len = z.total_out;
    deflateEnd(&z);
    free(plain);
    return out;
}

/* A string literal compiles much faster than a list of numbers. */
static size_t write_bytes(FILE *out, const char *path)
{
    size_t len;
    char *bytes = read_file(path, &len);

    if (gzip)
        bytes = compress_bytes(bytes, &len);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (i % 64 == 0)
            fputs(i ? "\"\n    \"" : "\n    \"", out);
        if (c >= ' ' && c < 127 && c != '"' && c != '\\' && c != '?')
            fputc(c, out);
        else
            fprintf(out, "\\%03o", (unsigned)c);
    }
    fputs(len ? "\"" : "\"\"", out);
    free(bytes);
    return len;
}

static void write_table(const char *path, const char *symbol)
{
    FILE *out = fopen(path, "wbe");

    if (!out)
        die("%s: %s", path, strerror(errno));
    fprintf(out,
            "/* Written by tools/embed.c; change the files, not this. */\n#include "
            "\"base/embedded.h\"\n\n"
            "extern const struct embedded %s[];\nextern const size_t %s_count;\n\n"
            "const struct embedded %s[] = {\n",
            symbol, symbol, symbol);
    for (size_t i = 0; i < file_count; i++) {
        fprintf(out, "  { \"%s\",", files[i].name);
        fprintf(out, ", %zu },\n", write_bytes(out, files[i].path));
    }
    fprintf(out, "  { (const char *)0, (const char *)0, 0 }\n};\nconst size_t %s_count = %zu;\n",
            symbol, file_count);
    if (fclose(out) != 0)
        die("%s: %s", path, strerror(errno));
}

static void write_deps(const char *path, const char *target)
{
    FILE *out = fopen(path, "wbe");

    if (!out)
        die("%s: %s", path, strerror(errno));
    fprintf(out, "%s:", target);
    for (size_t i = 0; i < folder_count; i++)
        fprintf(out, " %s", folders[i]);
    for (size_t i = 0; i < file_count; i++)
        fprintf(out, " %s", files[i].path);
    fputc('\n', out);
    if (fclose(out) != 0)
        die("%s: %s", path, strerror(errno));
}

static bool has_files(const char *path)
{
    DIR *dir = opendir(path);
    bool some = false;

    if (!dir)
        return false;
    for (struct dirent *d; !some && (d = readdir(dir)) != NULL;)
        some = d->d_name[0] != '.';
    closedir(dir);
    return some;
}

/* What changes when the missing folder comes: the nearest one above it that is there. */
static void watch_above(const char *path)
{
    char above[PATH_BYTES];
    struct stat st;

    if (strlen(path) >= sizeof(above))
        die("path too long: %s", path);
    memcpy(above, path, strlen(path) + 1);
    while (stat(above, &st) != 0) {
        char *slash = strrchr(above, '/');

        if (!slash || slash == above)
            return;
        *slash = 0;
    }
    folders[folder_count++] = copy(above);
}

int main(int argc, char **argv)
{
    const char *symbol = NULL, *out = NULL, *deps = NULL, *ending = "", *instead = NULL;
    int i = 1;

    for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        switch (argv[i][1]) {
        case 's': symbol = argv[i + 1]; break;
        case 'o': out = argv[i + 1]; break;
        case 'd': deps = argv[i + 1]; break;
        case 'e': ending = argv[i + 1]; break;
        case 'z': gzip = true; break;
        case 'i': instead = argv[i + 1]; break;
        default: die("unknown option %s", argv[i]);
        }
    }
    if (!symbol || !out || i == argc)
        die("usage: embed -s SYMBOL -o OUT.c [-d OUT.d] [-e ENDING] [-z gzip] [-i INSTEAD] FOLDER-or-FILE …");
    for (; i < argc; i++) {
        struct stat st;
        const char *slash = strrchr(argv[i], '/');

        if (instead && !has_files(argv[i])) {
            watch_above(argv[i]);
            add_folder(instead, "", ending);
            continue;
        }
        if (stat(argv[i], &st) != 0)
            die("%s: %s", argv[i], strerror(errno));
        if (S_ISDIR(st.st_mode))
            add_folder(argv[i], "", ending);
        else
            add_file(argv[i], slash ? slash + 1 : argv[i]);
    }
    qsort(files, file_count, sizeof(*files), by_name);
    for (size_t k = 1; k < file_count; k++)
        if (strcmp(files[k - 1].name, files[k].name) == 0)
            die("two files are named %s", files[k].name);
    write_table(out, symbol);
    if (deps)
        write_deps(deps, out);
    return 0;
}
