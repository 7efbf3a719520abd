/*
 * The test of the test: plants each of these bugs in a copy of one file, links it before the libraries of a build that is
 * there, and wants the simulation to notice. Most of them were real. usage: run.ts ROOT BUILD
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';

interface Bug {
    name: string;
    file: string;
    from: string;
    to: string;
    /** A history that has noticed it before; it changes with the code, and then all are tried. */
    seed: number;
}

const bugs: Bug[] = [
    {
        name: 'an effect is prepared twice in one step',
        file: 'src/engine/lane.c',
        from: 'if (o->effect_id == effect_id)',
        to: 'if (o->effect_id == effect_id && !o)',
        seed: 1,
    },
    {
        name: 'a lost answer makes a second check',
        file: 'src/engine/lane.c',
        from: '(f.wanted > 1 && (s->lane->fresh || s->lane->scan)) || f.attempts > 0;',
        to: '(f.wanted > 1 && s->lane->fresh) || f.attempts > 0;',
        seed: 25,
    },
    {
        name: 'a start forgets lanes where only an event waits',
        file: 'src/engine/engine.c',
        from: "\"v.state = 'waiting' union",
        to: "\"v.state = 'forgotten' union",
        seed: 15,
    },
    {
        name: 'a dispatch is looked for too short after a start',
        file: 'src/engine/apply_answer.c',
        from: 'if (a->effect.attempts * FIND_AGAIN_MS < settle_ms)',
        to: 'if (a->effect.attempts * FIND_AGAIN_MS < settle_ms && s->now_ms - a->effect.created_ms < settle_ms)',
        seed: 15,
    },
    {
        name: 'a lost answer is taken for one that says no',
        file: 'src/engine/apply_answer.c',
        from: 'if (str_eq(a.effect.kind, STR("dispatch")))\n',
        to: 'if (a.outcome == FORGE_LOST) a.outcome = FORGE_NOT_SENT;\n    if (str_eq(a.effect.kind, STR("dispatch")))\n',
        seed: 8,
    },
    {
        name: 'a run that was re-run over there never ends',
        file: 'src/engine/runs.c',
        from: 'if (n->state == FORGE_RUN_COMPLETED && !r->ended_ms) {',
        to: 'if (n->state == FORGE_RUN_COMPLETED && !r->ended_ms && !newer && !r) {',
        seed: 112,
    },
    {
        name: 'a lock holds nothing back',
        file: 'src/engine/schedule.c',
        from: '"= $2 and deleted_ms is null and expires_ms > $3"',
        to: '"= $2 and deleted_ms is null and expires_ms < $3"',
        seed: 3,
    },
    {
        name: 'one apply does not see the other',
        file: 'src/store/batches.c',
        from: '"is null and ($4 = 1 or exists',
        to: '"is null and ($4 = 7 or not exists',
        seed: 3,
    },
    {
        name: 'facts are applied out of order',
        file: 'src/store/facts.c',
        from: 'and state = 0 order by id limit $2',
        to: 'and state = 0 order by id desc limit min($2, 1)',
        seed: 1,
    },
    {
        name: 'what is shown depends on when it is rendered',
        file: 'src/engine/report.c',
        from: 'call.text = call.body = feedback_comment(s->mem, &v);',
        to: 'call.text = call.body = feedback_comment(s->mem, &v);\n        if (call.text.len) call.text = call.body = arena_print(s->mem, PRI_STR "\\n%lld", FMT_STR(call.text), (long long)s->now_ms);',
        seed: 2,
    },
    {
        name: 'a draft is not held',
        file: 'src/domain/hold.c',
        from: 'return q->pull_request && q->draft;',
        to: 'return q->pull_request && q->draft && !q;',
        seed: 3,
    },
    {
        name: 'one more than the threshold passes',
        file: 'src/domain/hold.c',
        from: 'h->dispatches > h->threshold;',
        to: 'h->dispatches > h->threshold + 1;',
        seed: 1,
    },
    {
        name: 'a burst pauses one push too late',
        file: 'src/domain/hold.c',
        from: 'return h->pushes > h->pushes_max;',
        to: 'return h->pushes > h->pushes_max + 1;',
        seed: 5,
    },
    {
        name: 'what is held starts all the same',
        file: 'src/engine/schedule.c',
        from: 'if (!may_go)\n        return true;\n    /* The workflows of a runner',
        to: 'if (!may_go && !h)\n        return true;\n    /* The workflows of a runner',
        seed: 1,
    },
    {
        name: 'a batch starts without budget for its last node',
        file: 'src/engine/holds.c',
        from: '!budget_claim(s, h, l.q.cost, e)',
        to: '!budget_claim(s, h, l.q.cost > 1 ? l.q.cost - 1 : 1, e)',
        seed: 3,
    },
    {
        name: 'a batch that has ended stays held',
        file: 'src/engine/budget.c',
        from: 'if (h->b->state != BATCH_RUNNING)\n        return true;\n    if (!rate_hold',
        to: 'if (!rate_hold',
        seed: 114,
    },
    {
        name: 'readers may order',
        file: 'src/engine/orders.c',
        from: 'if (outcome == FORGE_NOT_FOUND || !may_order(permission))',
        to: 'if (outcome == FORGE_NOT_FOUND || !permission.len)',
        seed: 1,
    },
    {
        name: 'an edit that is told twice orders twice',
        file: 'src/engine/orders.c',
        from: '.key = order_key(s, v),',
        to: '.key = arena_print(s->mem, PRI_STR ":%lld", FMT_STR(order_key(s, v)), (long long)s->now_ms),',
        seed: 21,
    },
    {
        name: 'who is told to wait sends all the same',
        file: 'src/engine/budget.c',
        from: '*may = until_ms <= s->now_ms;',
        to: '*may = until_ms >= 0;',
        seed: 6,
    },
    {
        name: 'what was given already is given again',
        file: 'src/domain/budget.c',
        from: 'return most(safe_part(budget_remaining(b, now_ms)) - b->claimed, 0);',
        to: 'return most(safe_part(budget_remaining(b, now_ms)), 0);',
        seed: 8,
    },
    {
        name: 'who lets a batch go leaves no trace',
        file: 'src/engine/holds.c',
        from: 'if (!audit_batch(s, h, "dispatch.released", by,',
        to: 'if (!str_eq(by->from, STR("api")) && !audit_batch(s, h, "dispatch.released", by,',
        seed: 3,
    },
    {
        name: 'who skips a wait ends whichever lock there is',
        file: 'src/engine/apply_order.c',
        from: 'key, token, s->now_ms, l, ended,\n                       e))\n        return false;\n    if (*ended && l->token != token)',
        to: 'key, 0, s->now_ms, l, ended,\n                       e))\n        return false;\n    if (*ended && !l->token)',
        seed: 5,
    },
    {
        name: 'who skips a wait for another lock is told that it ended',
        file: 'src/engine/apply_order.c',
        from: 'if (*ended && l->token != token)',
        to: 'if (*ended && l->token < token)',
        seed: 5,
    },
    {
        name: 'what a runner may have taken is sent as another run when it is full',
        file: 'src/engine/node_runner.c',
        from: 'if (!again)\n            return put_back(s, f, r, n, e);\n        break;',
        to: 'return put_back(s, f, r, n, e);',
        seed: 1,
    },
    {
        name: 'any page that is not there is a run that is not there',
        file: 'src/engine/actions.c',
        from: 'return n->outcome == RUNNER_NOT_FOUND && str_eq(n->code, STR("unknown_run"));',
        to: 'return n->outcome == RUNNER_NOT_FOUND;',
        seed: 13,
    },
    {
        name: 'a start takes what a runner may have for new',
        file: 'src/engine/node_runner.c',
        from: 'bool again = maybe_sent || f->attempts > 0;',
        to: 'bool again = f->attempts > 0;',
        seed: 13,
    },
    {
        name: 'one apply does not see the other that a runner has',
        file: 'src/store/batches.c',
        from: '"is null and ($4 = 1 or exists',
        to: '"is null and runner = \'\' and ($4 = 1 or exists',
        seed: 1,
    },
];

const [rootArgument, buildArgument] = process.argv.slice(2);
if (rootArgument === undefined || buildArgument === undefined) stop('usage: run.ts ROOT BUILD');
const root = resolve(rootArgument);
const build = resolve(buildArgument);
const target = 'test/sim/whole/sim_whole';
const tmp = mkdtempSync(join(tmpdir(), 'signalbox-whole-'));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => process.exit(1));
process.on('exit', () => rmSync(tmp, { recursive: true, force: true }));

function stop(why: string): never {
    console.log(why);
    process.exit(1);
}

/** Commands of our own build, as ninja prints them. */
function shell(command: string, limit_ms = 120_000): { ok: boolean; output: string } {
    const ended = spawnSync('bash', ['-c', command], {
        cwd: build,
        encoding: 'utf8',
        timeout: limit_ms,
        killSignal: 'SIGKILL',
    });
    return {
        ok: ended.status === 0,
        output: `${ended.stdout ?? ''}${ended.stderr ?? ''}${ended.error?.message ?? ''}`,
    };
}

const commands = shell(`ninja -t commands ${target}`).output.split('\n');
const link =
    commands.find((line) => line.includes(` -o ${target} `)) ??
    stop('ninja does not know how the simulation is linked');

/** The program with this bug, or why there is none. */
function plant(bug: Bug): string | undefined {
    const text = readFileSync(join(root, bug.file), 'utf8');
    if (text.split(bug.from).length !== 2) return 'does not fit the code any more: plant it again';
    const name = basename(bug.file);
    const copy = join(tmp, name);
    writeFileSync(
        copy,
        text.replace(bug.from, () => bug.to),
    );
    const compile = commands.find((line) => line.includes(' -c ') && line.includes(`/${bug.file}`));
    if (compile === undefined) return 'ninja does not know how its file is compiled';
    // As ninja has it, but for the source and where the object and its list of headers go.
    // What takes long and helps nobody here: debugging symbols, and optimizing.
    const words = compile
        .split(' ')
        .filter((word) => !word.startsWith('-Werror') && word !== '-g')
        .map((word) => (word === '-O2' ? '-O0' : word));
    const at = (flag: string) => words.indexOf(flag) + 1;
    for (const flag of ['-o', '-MQ', '-MF', '-c'])
        words[at(flag)] = join(
            tmp,
            flag === '-c' ? name : `${name}${flag === '-MF' ? '.d' : '.o'}`,
        );
    const compiled = shell(words.join(' '));
    if (!compiled.ok) return compiled.output;
    const linked = shell(link.replace(` -o ${target} `, ` -o ${tmp}/sim.exe ${tmp}/${name}.o `));
    return linked.ok ? undefined : linked.output;
}

function whatSaysNo(seeds: string): string {
    const ended = shell(`${tmp}/sim.exe --seeds ${seeds}`, 900_000);
    if (ended.output.includes('ETIMEDOUT')) return '';
    const seen = /^(seed \d*), step \d*: (.*?)(?: is not so|; again)/m.exec(ended.output);
    if (ended.ok) return '';
    return seen ? `${seen[1]}: ${seen[2]}` : `it does not end well: ${ended.output.slice(-300)}`;
}

let escaped = 0;
for (const bug of bugs) {
    const trouble = plant(bug);
    const by = trouble === undefined ? whatSaysNo(String(bug.seed)) || whatSaysNo('1..80') : '';
    if (by === '') escaped += 1;
    console.log(`${bug.name}: ${trouble ?? (by || 'ESCAPED')}`);
}
console.log(`${bugs.length} planted bugs, ${escaped} escaped`);
process.exitCode = escaped === 0 ? 0 : 1;
