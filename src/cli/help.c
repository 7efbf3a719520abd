/* help, version, completion: all of it comes from the tables. */
#include "base/buf.h"
#include "cli/inside.h"

enum { NAME_WIDTH = 18 };

static void options_doc(FILE *to, const struct option *o)
{
    char text[80];
    for (; o && o->name; o++) {
        snprintf(text, sizeof text, "%c%c%s--%s%s%s", o->letter ? '-' : ' ',
                 o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        fprintf(to, "  %-28s %s\n", text, o->doc);
    }
}

static void lines_doc(FILE *to, const char *text, const char *before)
{
    str rest = str_of(text);
    while (rest.len) {
        str line = str_cut(rest, '\n', &rest);
        fprintf(to, "%s" PRI_STR "\n", before, FMT_STR(line));
    }
}

int help_verb(struct cli *c, const struct verb *v, FILE *to)
{
    (void)c;
    fprintf(to, "%s\n\n", v->line);
    if (v->examples) {
        fprintf(to, "Examples:\n");
        lines_doc(to, v->examples, "  signalbox ");
        fprintf(to, "\n");
    }
    fprintf(to, "Usage: signalbox %s%s%s [options]\n", v->name, *v->arguments ? " " : "",
            v->arguments);
    if (v->more)
        fprintf(to, "\n%s\n", v->more);
    if (v->options) {
        fprintf(to, "\nOptions:\n");
        options_doc(to, v->options);
    }
    fprintf(to, "\nFor every command:\n");
    options_doc(to, common_options);
    return 0;
}

int help_group(str first, FILE *to)
{
    bool any = false;
    for (const struct verb *v = verbs; v->name; v++) {
        str rest, head = str_cut(str_of(v->name), ' ', &rest);
        if (!rest.len || !str_eq(head, first))
            continue;
        if (!any)
            fprintf(to, "signalbox " PRI_STR " what?\n\n", FMT_STR(first));
        fprintf(to, "  %-*s %s\n", NAME_WIDTH, v->name, v->line);
        any = true;
    }
    return any ? err_exit(ERR_INVALID) : -1;
}

int help_all(struct cli *c, FILE *to)
{
    (void)c;
    fprintf(
        to,
        "signalbox: what runs, when, in which order, and who has to say yes first.\n\nExamples:\n"
        "  signalbox lock acme/infra/prod/vpc --ttl 30m --message 'migration'\n"
        "  signalbox batches --repo acme/infra\n"
        "  signalbox batch batch_0123 --watch\n"
        "  signalbox dispatch --repo acme/infra --stack prod --component vpc --workflow plan.yaml "
        "--dry-run\n\nCommands:\n");
    for (const struct verb *v = verbs; v->name; v++)
        fprintf(to, "  %-*s %s\n", NAME_WIDTH, v->name, v->line);
    fprintf(to, "  %-*s %s\n  %-*s %s\n  %-*s %s\n", NAME_WIDTH, "serve",
            "The server itself: signalbox serve --help.", NAME_WIDTH, "bootstrap",
            "The first admin token, made in the server's database.", NAME_WIDTH, "runner",
            "Runs workflows of the atmos CLI on a machine of yours: signalbox runner --help.");
    fprintf(to, "\nsignalbox help <command> explains one. The server is found by SIGNALBOX_URL, "
                "the token by SIGNALBOX_TOKEN.\n"
                "Exit codes: 0 well, 1 the watched batch failed (10 cancelled, 11 superseded), 2 "
                "wrong call, 3 not allowed, 4 not there,\n"
                "5 conflict (locked), 6 too large, 7 busy or not reachable, 8 no sound answer, 9 a "
                "fault.\n");
    return 0;
}

int verb_help(struct cli *c)
{
    int words;
    if (!c->argument_count)
        return help_all(c, c->edge->out);
    const struct verb *v =
        verb_find(c->argument[0], c->argument_count > 1 ? c->argument[1] : STR_NONE, &words);
    if (v)
        return help_verb(c, v, c->edge->out);
    int code = help_group(c->argument[0], c->edge->out);
    return code >= 0 ? 0
                     : usage(c, "there is no command " PRI_STR,
                             FMT_STR(safe(c, str_sub(c->argument[0], 0, 60))));
}

int verb_version(struct cli *c)
{
    if (c->json)
        put(c, "{\"version\":\"" CLI_VERSION "\"}\n");
    else
        put(c, "signalbox " CLI_VERSION "\n");
    return 0;
}

/* --- completion --- */

static void words_of(FILE *to, const struct option *o)
{
    for (; o && o->name; o++)
        fprintf(to, " --%s", o->name);
}

int verb_completion(struct cli *c)
{
    FILE *to = c->edge->out;
    if (!str_eq(c->argument[0], STR("bash")))
        return usage(c, "there is completion for bash only");
    fprintf(to, "_signalbox() {\n    local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} "
                "all\n    case \"$verb ${COMP_WORDS[2]}\" in\n");
    for (const struct verb *v = verbs; v->name; v++) {
        bool two = strchr(v->name, ' ') != NULL;
        fprintf(to, "    \"%s%s) all='", v->name, two ? "\"" : " \"*");
        words_of(to, v->options);
        words_of(to, common_options);
        fprintf(to, "' ;;\n");
    }
    fprintf(to, "    \"repo \"*) all='list show set permissions add' ;;\n    \"token \"*) "
                "all='create list revoke' ;;\n    \"secrets \"*) all='set set-value list rm' ;;\n"
                "    \"runners \"*) all='set list rm' ;;\n    \"actions \"*) all='list show set "
                "rm run' ;;\n    \"action-runs \"*) all='list show cancel' ;;\n    \"members \"*) "
                "all='list invite invitations uninvite role rm' ;;\n    esac\n"
                "    [ \"$COMP_CWORD\" -eq 1 ] && all='serve bootstrap runner");
    str last = STR_NONE;
    for (const struct verb *v = verbs; v->name; v++) {
        str rest, head = str_cut(str_of(v->name), ' ', &rest);
        if (!str_eq(head, last))
            fprintf(to, " " PRI_STR, FMT_STR(head));
        last = head;
    }
    fprintf(to, "'\n    COMPREPLY=($(compgen -W \"$all\" -- \"$word\"))\n}\ncomplete -F _signalbox "
                "signalbox\n");
    return 0;
}
