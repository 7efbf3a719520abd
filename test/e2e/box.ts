/*
 * A box: the real `signalbox serve` beside the forge simulator, wired to each other, with one repository in which the App is installed.
 * Uploads go the way of the atmos CLI: a runner's OIDC token is exchanged for a session, then the affected set is posted.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { ForgeSim, type PullView, type RepoState, type RunView, type Verdict } from '../forge-sim/client.ts';
import type { Config } from '../forge-sim/forge.ts';
import type { Files } from '../forge-sim/git.ts';
import { freePort } from '../demo/serve.ts';
import { affected, apply_file, plan_file, repositoryFiles, type Affected, type Part } from './graph.ts';

/** How long anything is waited for that comes at once on a machine with nothing else to do. */
const patience_ms = 60_000;

const tree = join(import.meta.dirname, '../..');

/** The one that the environment names, and no other: an older build must not stand in for it. Else the first that is there. */
function built(named: string | undefined, ...paths: string[]): string {
    const candidates = named === undefined ? paths : [named];
    const found = candidates.find((path) => existsSync(path));
    if (found === undefined) throw new Error(`none of ${candidates.join(', ')} is there; ./dev build makes them`);
    return found;
}

export const program = () => built(process.env['SIGNALBOX_BIN'], join(tree, 'build-test/src/signalbox'), join(tree, 'build/src/signalbox'));

/* ---- the databases ---- */

export interface Database {
    name: string;
    /** The setting for a fresh database; dir is a folder of the box. */
    fresh(dir: string): Promise<string>;
}

export const sqlite: Database = { name: 'SQLite', fresh: async (dir) => `${dir}/signalbox.db` };

/** A PostgreSQL of our own, started at first use; it dies with this process. */
class Rig {
    private child: ChildProcess | undefined;
    private lines: AsyncIterator<string> | undefined;

    async fresh(): Promise<string> {
        if (!this.child) await this.start();
        this.child!.stdin!.write('fresh\n');
        return this.line();
    }

    stop(): void {
        this.child?.stdin?.end();
    }

    private async start(): Promise<void> {
        const at = ['build-test', 'build'].map((dir) => join(tree, dir, 'test/unit/db/pg-rig'));
        this.child = spawn(built(process.env['SIGNALBOX_PG_RIG'], ...at), { stdio: ['pipe', 'pipe', 'inherit'] });
        this.lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
        await this.line();
    }

    private async line(): Promise<string> {
        const { value, done } = await this.lines!.next();
        if (done === true) throw new Error('pg-rig ended early');
        return value as string;
    }
}
const rig = new Rig();
export const postgres: Database = { name: 'PostgreSQL', fresh: () => rig.fresh() };
export const databasesStop = (): void => rig.stop();

/* ---- the server ---- */

/** Small, so that a test sees in a second what an operator would see in two minutes. */
const impatient = { sweep_ms: 500, silent_ms: 1000, find_settle_ms: 1500, log_level: 'debug' };

export class Serve {
    readonly url: string;
    readonly dir: string;
    private args: string[];
    private child: ChildProcess | undefined;

    constructor(dir: string, port: number, settings: Record<string, string | number>) {
        this.dir = dir;
        this.url = `http://127.0.0.1:${port}`;
        const all = { ...impatient, listen: `127.0.0.1:${port}`, ...settings };
        writeFileSync(`${dir}/signalbox.conf`, Object.entries(all).map(([name, value]) => `${name} = ${value}\n`).join(''), { mode: 0o600 });
        this.args = ['--config', `${dir}/signalbox.conf`];
    }

    bootstrap(): string {
        return execFileSync(program(), ['bootstrap', ...this.args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
    }

    async start(): Promise<void> {
        const log = openSync(`${this.dir}/serve.log`, 'a');
        const child = spawn(program(), ['serve', ...this.args], { stdio: ['ignore', log, log] });
        closeSync(log);
        this.child = child;
        const killNow = () => child.kill('SIGKILL');
        process.once('exit', killNow);
        child.once('exit', () => process.removeListener('exit', killNow));
        for (const end = Date.now() + patience_ms; Date.now() < end; await sleep(15)) {
            if (child.exitCode !== null) break;
            if ((await fetch(`${this.url}/readyz`).catch(() => undefined))?.ok) return;
        }
        throw new Error(`signalbox serve was not ready:\n${this.log().slice(-3000)}`);
    }

    get isAlive(): boolean {
        return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
    }

    async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
        const child = this.child;
        if (!child || !this.isAlive) return;
        const ended = new Promise((done) => child.once('exit', done));
        child.kill(signal);
        const late = setTimeout(() => child.kill('SIGKILL'), patience_ms);
        await ended;
        clearTimeout(late);
    }

    log(): string {
        return existsSync(`${this.dir}/serve.log`) ? readFileSync(`${this.dir}/serve.log`, 'utf8') : '';
    }
}

/* ---- what the API says ---- */

export interface Node {
    position: number;
    stack: string;
    component: string;
    workflow: string;
    state: string;
    attempt: number;
    level: number;
    waitsFor: number[];
    errorCode: string;
    errorText: string;
    gate: { kind: string; message?: string } | null;
    inputs: Record<string, string>;
}
export interface Batch {
    id: string;
    event: string;
    activity: string;
    headSha: string;
    state: string;
    verdict: string;
    error: string;
    nodeCount: number;
    supersededBy: string | null;
}
export interface Run {
    id: string;
    batchId: string;
    position: number;
    attempt: number;
    stack: string;
    component: string;
    state: string;
    guess: string;
    reported: string;
    command: string;
    exitCode: number | null;
    forgeRunId: number | null;
    inputs: Record<string, string>;
}
export interface Repository {
    id: number;
    owner: string;
    name: string;
    defaultBranch: string;
}

export class Refused extends Error {
    status: number;
    constructor(status: number, text: string) {
        super(text);
        this.status = status;
    }
}

/** 503 and a refused connection mean that nothing happened: like the CLI, we try again for a while. */
export async function call<T>(url: string, token: string, method: string, path: string, body?: unknown): Promise<T> {
    const headers: Record<string, string> = { 'content-type': 'application/json', 'user-agent': 'atmos/1.226.1 (linux; amd64)' };
    if (token) headers['authorization'] = `Bearer ${token}`;
    for (const end = Date.now() + patience_ms; ; await sleep(50)) {
        const answer = await fetch(url + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) }).catch(
            (error: Error) => error,
        );
        if ((answer instanceof Error || answer.status === 503) && Date.now() < end) continue;
        if (answer instanceof Error) throw answer;
        const text = await answer.text();
        if (!answer.ok) throw new Refused(answer.status, `${method} ${path} → ${answer.status} ${text}`);
        return (JSON.parse(text) as { data: T }).data;
    }
}

/* ---- the box ---- */

export interface BoxOrder {
    database?: Database;
    sim?: Config;
    serve?: Record<string, string | number>;
    files?: Files;
    /** false: no App, no installation, no repository; the test makes them. */
    wired?: boolean;
    runMs?: number;
}
export interface UploadOrder {
    event_name?: string;
    ref?: string;
    head_ref?: string;
    head_sha?: string;
    base_sha?: string;
    run_id?: number;
    stacks?: Affected[];
}

export const repository = 'acme/infra';

export class Box {
    readonly sim: ForgeSim;
    readonly serve: Serve;
    readonly dir: string;
    repo = repository;
    token = '';
    workspace = '';
    base = '';
    installation = 0;

    private constructor(sim: ForgeSim, serve: Serve, dir: string) {
        this.sim = sim;
        this.serve = serve;
        this.dir = dir;
    }

    static async open(order: BoxOrder = {}): Promise<Box> {
        const dir = mkdtempSync(join(tmpdir(), 'signalbox-e2e-'));
        const sim = await ForgeSim.start({ dir, delays: { queueMs: 5, runMs: order.runMs ?? 60, cancelMs: 10, listedMs: 0 }, ...order.sim });
        const wired = order.wired !== false;
        const { app } = await sim.settings();
        writeFileSync(join(dir, 'app.pem'), app.private_key, { mode: 0o600 });
        writeFileSync(join(dir, 'seal.key'), Buffer.alloc(32, 7), { mode: 0o600 });
        const serve = new Serve(dir, await freePort(0), {
            database: await (order.database ?? sqlite).fresh(dir),
            secret_key_file: join(dir, 'seal.key'),
            github_api: sim.ready.api,
            github_web: sim.ready.api,
            oidc_issuers: sim.ready.oidc,
            ca_file: sim.ready.ca,
            ...(wired && {
                github_app_id: app.id,
                github_app_slug: app.slug,
                github_private_key_file: join(dir, 'app.pem'),
                github_webhook_secret: app.webhook_secret,
            }),
            ...order.serve,
        });
        const box = new Box(sim, serve, dir);
        try {
            box.token = serve.bootstrap();
            await serve.start();
            if (wired) await sim.settings({ webhook_url: `${serve.url}/webhooks/github` });
            const [first] = await box.all<{ id: string }>('/api/v1/workspaces');
            box.workspace = first!.id;
            if (wired) await box.install(order.files ?? repositoryFiles());
        } catch (error) {
            await box.close();
            throw error;
        }
        return box;
    }

    async close(): Promise<void> {
        await this.serve.end('SIGTERM');
        await this.sim.stop();
        const log = this.serve.log();
        if (process.env['SIGNALBOX_KEEP'] === undefined) rmSync(this.dir, { recursive: true, force: true });
        assert.doesNotMatch(log, /AddressSanitizer|LeakSanitizer|runtime error:|Assertion/, log.slice(-4000));
    }

    get<T>(path: string): Promise<T> {
        return call<T>(this.serve.url, this.token, 'GET', path);
    }
    post<T>(path: string, body?: unknown): Promise<T> {
        return call<T>(this.serve.url, this.token, 'POST', path, body);
    }
    send<T>(method: string, path: string, body?: unknown): Promise<T> {
        return call<T>(this.serve.url, this.token, method, path, body);
    }
    async all<T>(path: string): Promise<T[]> {
        const items: T[] = [];
        for (let cursor: string | null = ''; cursor !== null; ) {
            const more: string = `${path.includes('?') ? '&' : '?'}limit=500${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
            const page: { items: T[]; nextCursor: string | null } = await this.get(path + more);
            items.push(...page.items);
            cursor = page.nextCursor;
        }
        return items;
    }

    async until(what: string, isSo: () => Promise<boolean>, ms = patience_ms): Promise<void> {
        for (const end = Date.now() + ms; !(await isSo()); await sleep(25))
            if (Date.now() > end) throw new Error(`waited in vain for ${what}\n${await this.state()}`);
    }

    /** For messages of failed tests. */
    async state(): Promise<string> {
        const batches = await this.batches().catch(() => []);
        const nodes = await Promise.all(batches.map((batch) => this.nodes(batch.id)));
        const lines = batches.map(
            (batch, i) => `${batch.activity} ${batch.state} ${batch.verdict} ${batch.error}\n` + nodes[i]!.map((n) => `    ${n.component} ${n.state} ${n.errorText}\n`).join(''),
        );
        const log = this.serve.log().split('\n').filter((line) => !/info request .*status=20|hook\/deliveries/.test(line));
        return `${lines.join('')}${log.slice(-40).join('\n')}`;
    }

    /* the repository */

    async install(files: Files): Promise<void> {
        const [owner, name] = this.repo.split('/') as [string, string];
        const repo = await this.sim.createRepo({ owner, name, files });
        this.base = repo.head!;
        this.installation = repo.installation_id!;
        await this.sim.installation(this.installation, 'created');
        await this.until('the repository to be known', async () => (await this.repository()) !== undefined);
    }

    async repository(): Promise<Repository | undefined> {
        const known = await this.all<Repository>('/api/v1/repositories');
        return known.find((one) => `${one.owner}/${one.name}` === this.repo);
    }

    async setting(change: Record<string, unknown>): Promise<void> {
        await this.send('PATCH', `/api/v1/repositories/${(await this.repository())!.id}/settings`, change);
    }

    pull(order: { head?: string; title?: string; files?: Files; draft?: boolean } = {}): Promise<PullView> {
        return this.sim.openPull(this.repo, { head: 'feature', title: 'A change', files: { 'a.tf': `# ${Math.random()}\n` }, ...order });
    }

    /* the CLI's part */

    async session(order: UploadOrder = {}): Promise<string> {
        const { event_name = 'pull_request', ref, head_ref, run_id, head_sha } = order;
        const runner = { event_name, ref, head_ref, base_ref: 'main', sha: head_sha, run_id, workflow: 'affected.yaml' };
        /* A token is consumed by the first exchange, also when its answer is lost: the CLI's job would mint another. */
        for (let tries = 3; ; tries--)
            try {
                /* Of our clock: where the forge's is wrong, no token of a runner is taken, and the calls are what is looked at. */
                const now = Math.floor(Date.now() / 1000);
                const token = await this.sim.mintOidc({ repo: this.repo, runner, claims: { iat: now, nbf: now - 5, exp: now + 300 } });
                const path = '/api/v1/auth/github-oidc';
                return (await call<{ token: string }>(this.serve.url, '', 'POST', path, { token, workspaceId: this.workspace })).token;
            } catch (error) {
                if (tries === 0 || !(error instanceof Refused)) throw error;
            }
    }

    /** What `atmos describe affected --upload` does. */
    async upload(parts: Part[], order: UploadOrder): Promise<void> {
        const [owner, name] = this.repo.split('/') as [string, string];
        await call(this.serve.url, await this.session(order), 'POST', '/api/v1/affected-stacks', {
            head_sha: order.head_sha,
            base_sha: order.base_sha ?? this.base,
            repo_url: `https://github.com/${this.repo}`,
            repo_name: name,
            repo_owner: owner,
            repo_host: 'github.com',
            stacks: order.stacks ?? affected(parts),
        });
    }

    uploadPull(parts: Part[], pull: PullView, more: UploadOrder = {}): Promise<void> {
        return this.upload(parts, { head_sha: pull.head_sha, ref: `refs/pull/${pull.number}/merge`, head_ref: pull.head_ref, ...more });
    }

    uploadMerged(parts: Part[], pull: PullView): Promise<void> {
        return this.uploadPull(parts, pull, { ref: 'refs/heads/main' });
    }

    /* what came of it */

    batches(): Promise<Batch[]> {
        return this.all('/api/v1/batches');
    }
    nodes(batch: string): Promise<Node[]> {
        return this.all(`/api/v1/batches/${batch}/nodes`);
    }
    runs(): Promise<Run[]> {
        return this.all('/api/v1/runs');
    }

    async batch(activity: string, head?: string, ms?: number): Promise<Batch> {
        let found: Batch | undefined;
        await this.until(`a batch for ${activity}`, async () => {
            found = (await this.batches()).find((one) => one.activity === activity && (head === undefined || one.headSha === head));
            return found !== undefined;
        }, ms);
        return found!;
    }

    async ended(activity: string, head?: string, ms = 2 * patience_ms): Promise<Batch> {
        const { id } = await this.batch(activity, head, ms);
        await this.until(`the end of ${activity}`, async () => (await this.get<Batch>(`/api/v1/batches/${id}`)).state === 'ended', ms);
        return this.get(`/api/v1/batches/${id}`);
    }

    async states(batch: string): Promise<Record<string, string>> {
        return Object.fromEntries((await this.nodes(batch)).map((node) => [node.component, node.state]));
    }

    forge(): Promise<RepoState> {
        return this.sim.repo(this.repo);
    }

    /** The forge's runs of one workflow, oldest first. */
    async forgeRuns(file: string): Promise<RunView[]> {
        const runs = await this.sim.runs(this.repo);
        return runs.filter((run) => run.workflow.endsWith(file)).sort((a, b) => a.created_at_ms - b.created_at_ms || a.id - b.id);
    }

    async check(sha: string): Promise<RepoState['check_runs'][number] | undefined> {
        return (await this.forge()).check_runs.find((check) => check.sha === sha && check.name === 'Signalbox');
    }

    async comments(number: number): Promise<string[]> {
        return (await this.ours(number)).map((one) => one.body);
    }

    /** Comments of the App that are still there; answers to people have a marker of their own. */
    async ours(number: number, marker = `<!-- signalbox:change:${number} -->`): Promise<RepoState['comments']> {
        const { comments } = await this.forge();
        return comments.filter((one) => one.via_app && !one.deleted && one.number === number && one.body.startsWith(marker));
    }

    /** Somebody ticks a box of our comment. */
    async tick(number: number, user: string, text: string): Promise<void> {
        const [comment] = await this.ours(number);
        if (!comment) throw new Error(`there is no comment of ours in #${number}`);
        await this.sim.tickComment(this.repo, comment.id, user, text);
    }

    async comment(number: number): Promise<string> {
        return (await this.comments(number))[0] ?? '';
    }

    /** The check concludes, and the comment says what it will say. */
    async checked(sha: string, conclusion: string, ms = patience_ms): Promise<void> {
        await this.until(`the check to be ${conclusion}`, async () => (await this.check(sha))?.conclusion === conclusion, ms);
    }

    async commented(number: number, wanted: RegExp, ms = patience_ms): Promise<string> {
        let text = '';
        await this.until(`a comment that says ${wanted}`, async () => wanted.test((text = await this.comment(number))), ms).catch((error: Error) => {
            throw new Error(`${error.message}\nthe comment:\n${text}`);
        });
        return text;
    }

    /** Nothing may have been started before all that it stands on had ended. */
    async inOrder(file: string, parts: Part[]): Promise<void> {
        const runs = await this.forgeRuns(file);
        const first = (component: string, stack?: string) =>
            runs.find((run) => run.inputs['component'] === component && (stack === undefined || run.inputs['stack'] === stack));
        for (const part of parts)
            for (const name of part.after ?? []) {
                const parent = first(name, part.stack);
                const child = first(part.component, part.stack);
                assert.ok(parent && child, `${part.component} or ${name} never ran`);
                const ended = parent.history.find((step) => step.status === 'completed')?.at;
                assert.ok(ended !== undefined && child.created_at_ms >= ended, `${part.component} was started before ${name} had ended`);
            }
    }

    /** What must hold after every story, whatever went wrong on the way. */
    async clean(want: { intents?: number; limited?: number } = {}): Promise<Verdict> {
        const verdict = await this.sim.referee(true);
        assert.equal(verdict.runs.duplicateCount, 0, `runs that exist twice: ${JSON.stringify(verdict.runs.duplicates)}\n${await this.state()}`);
        assert.equal(verdict.comments.pullsWithMoreThanOne, 0, 'two comments in one pull request');
        assert.equal(verdict.checks.shasWithMoreThanOne, 0, `two checks at one commit: ${JSON.stringify(verdict.checks.perSha)}`);
        assert.equal(verdict.calls.whileLimited, want.limited ?? 0, 'calls while the forge had told us to wait');
        assert.equal(verdict.calls.commentWritesAtOnce <= 1, true, 'two writers of one comment');
        assert.deepEqual(verdict.leaks, [], 'secrets in what we wrote');
        if (want.intents !== undefined) assert.equal(verdict.runs.intents, want.intents, `runs asked for\n${await this.state()}`);
        await this.nothingLost();
        assert.equal(this.serve.isAlive, true, 'the server is still there');
        return verdict;
    }

    /** Every run that we count as sent exists over there, and none over there is unknown here. */
    private async nothingLost(): Promise<void> {
        const ours = await this.runs();
        const theirs = (await this.sim.runs(this.repo)).filter((run) => run.event === 'workflow_dispatch');
        const ids = new Set(theirs.map((run) => run.id));
        const isReal = (run: Run) => !['error', 'superseded', 'skipped', 'not_dispatched'].includes(run.state);
        const lost = ours.filter((run) => isReal(run) && (run.forgeRunId === null || !ids.has(Number(run.forgeRunId))));
        assert.deepEqual(lost.map((run) => `${run.component} ${run.state}`), [], `runs that we count but the forge does not have\n${await this.state()}`);
        const known = new Set(ours.map((run) => Number(run.forgeRunId)));
        const stray = theirs.filter((run) => !known.has(run.id));
        assert.deepEqual(stray.map((run) => run.display_title), [], `runs at the forge that we do not know\n${await this.state()}`);
    }

    async noLocks(): Promise<void> {
        assert.deepEqual(await this.all('/api/v1/locks'), []);
    }
}

/** Opens a box, tells its story, and closes it. */
export async function withBox(order: BoxOrder, story: (box: Box) => Promise<void>): Promise<void> {
    const box = await Box.open(order);
    try {
        await story(box);
    } finally {
        await box.close();
    }
}

export const all_success = (states: Record<string, string>): boolean => Object.values(states).every((state) => state === 'success');
export { apply_file, plan_file };
