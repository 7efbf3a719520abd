/*
 * The test of the tests: plants each bug of *.patch in a copy of the domain and wants it to be caught, by the simulation or
 * by the unit tests. usage: run.ts ROOT [CC]
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';

const bugs_min = 8;
const program_ms = 30_000;
const flags = ['-std=gnu17', '-D_GNU_SOURCE', '-O1', '-w', '-Isrc'];
const domain = ['text', 'node', 'batch', 'batch_order', 'batch_ready', 'batch_shape', 'batch_view'];
const unit_programs: Record<string, string[]> = {
    batch: ['test_batch', 'batch_words'],
    size: ['test_batch_size', 'batch_words'],
    node: ['test_node'],
};

const [rootArgument, cc = 'cc'] = process.argv.slice(2);
if (rootArgument === undefined) stop('usage: run.ts ROOT [CC]');
const root = resolve(rootArgument);
const bugs_folder = join(root, 'test/sim/mutants');
const tmp = mkdtempSync(join(tmpdir(), 'signalbox-mutants-'));
// A process that is told to end leaves without its 'exit' listeners unless somebody asks for them.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));
process.on('exit', () => rmSync(tmp, { recursive: true, force: true }));

function stop(why: string): never {
    console.log(why);
    process.exit(1);
}

function call(command: string, args: string[], limit_ms?: number): { ok: boolean; output: string } {
    const ended = spawnSync(command, args, { cwd: tmp, encoding: 'utf8', timeout: limit_ms, killSignal: 'SIGKILL' });
    const output = `${ended.stdout ?? ''}${ended.stderr ?? ''}${ended.error ? `${command}: ${ended.error.message}\n` : ''}`;
    return { ok: ended.status === 0, output };
}

function compile(source: string, object: string): string {
    const { ok, output } = call(cc, [...flags, '-c', source, '-o', object]);
    return ok ? '' : output || `${cc} refused ${source}`;
}

/** Compiles these files of src/domain again, then links every program. What stood in the way, or nothing. */
function build(files: string[]): string {
    for (const file of files) {
        const why = compile(`src/domain/${file}.c`, `o/${file}.o`);
        if (why !== '') return why;
    }
    const objects = (folder: string) => readdirSync(join(tmp, folder)).map((file) => `${folder}/${file}`);
    const linked = [call(cc, [...objects('o'), ...objects('sim'), '-o', 'sim.exe'])];
    for (const [name, parts] of Object.entries(unit_programs)) {
        const own = parts.map((part) => `unit/${part}.o`);
        linked.push(call(cc, [...objects('o'), ...own, '-lcmocka', '-o', `${name}.exe`]));
    }
    return linked
        .filter((link) => !link.ok)
        .map((link) => link.output || `${cc} could not link`)
        .join('');
}

const simulate = () => call('./sim.exe', ['--seeds', '1..200'], program_ms);

/** The first unit test program that says no. */
function unitTests(): { ok: boolean; output: string } {
    for (const name of Object.keys(unit_programs)) {
        const ended = call(`./${name}.exe`, [], program_ms);
        if (!ended.ok) return ended;
    }
    return { ok: true, output: '' };
}

function buildAll(): void {
    cpSync(join(root, 'src'), join(tmp, 'src'), { recursive: true });
    for (const folder of ['o', 'sim', 'unit']) mkdirSync(join(tmp, folder));
    const wanted = [
        ...['str', 'arena', 'buf'].map((name) => [`src/base/${name}.c`, `o/base_${name}.o`]),
        ...['sim', 'chance', 'engine', 'forge', 'check'].map((name) => [join(root, `test/sim/${name}.c`), `sim/${name}.o`]),
        ...new Set(Object.values(unit_programs).flat()),
    ].map((one) => (typeof one === 'string' ? [join(root, `test/unit/domain/${one}.c`), `unit/${one}.o`] : one));
    for (const [source = '', object = ''] of wanted) {
        const why = compile(source, object);
        if (why !== '') stop(why);
    }
    const why = build(domain);
    if (why !== '') stop(why);
}

/** Who noticed the bug of this patch; nothing when nobody did, or when it can no longer be planted. */
function whoNotices(patch: string): string {
    const files = [...readFileSync(patch, 'utf8').matchAll(/^\+\+\+ b\/src\/domain\/(.*)\.c$/gm)].map((match) => match[1]!);
    const name = basename(patch, '.patch');
    const planted = call('patch', ['-s', '-p1', '--no-backup-if-mismatch', '-i', patch]);
    const by: string[] = [];
    if (planted.ok) {
        if (build(files) !== '') stop(`${name}: does not compile`);
        const sim = simulate();
        const seen = /^(seed \d*), step \d*: (.*?)(?: is not so|; again)/m.exec(sim.output);
        if (!sim.ok) by.push(`simulation (${seen ? `${seen[1]}: ${seen[2]}` : ''})`);
        if (!unitTests().ok) by.push('unit tests');
        console.log(`${name}: ${by.join(', ') || 'ESCAPED'}`);
    } else {
        console.log(`${name}: does not fit the code any more: plant it again\n${planted.output}`);
    }
    for (const file of files) copyFileSync(join(root, `src/domain/${file}.c`), join(tmp, `src/domain/${file}.c`));
    const why = build(files);
    if (why !== '') stop(why);
    return by.join(', ');
}

buildAll();
const sound = simulate();
if (!sound.ok) stop(`the simulation fails without any planted bug:\n${sound.output}`);
const units = unitTests();
if (!units.ok) stop(`the unit tests fail without any planted bug:\n${units.output}`);
const bugs = readdirSync(bugs_folder).filter((file) => file.endsWith('.patch')).sort();
const escaped = bugs.filter((file) => whoNotices(join(bugs_folder, file)) === '');
console.log(`${bugs.length} planted bugs, ${escaped.length} escaped`);
process.exitCode = bugs.length >= bugs_min && escaped.length === 0 ? 0 : 1;
