/*
 * A house with a runner in it: the real `signalbox runner` as a user of its own, a local repository, an atmos that does what its workflow's
 * name says, and a platform that hears callbacks and answers as it is told. At its end nothing may be left: no process, no folder, no secret.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import {
    chmodSync,
    chownSync,
    closeSync,
    copyFileSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    openSync,
    readdirSync,
    readFileSync,
    readlinkSync,
    rmSync,
    statSync,
    writeFileSync,
} from 'node:fs';
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { program } from './box.ts';

export type Value = Record<string, any>; // eslint-disable-line

/** Only a broken runner is ever waited for so long. */
export const patience_ms = 60_000;

/** The user of the container; nobody can become it but root. */
const uid = process.getuid?.() === 0 ? 1001 : undefined;
export const asRunner = uid === undefined ? {} : { uid, gid: uid };

/** Not below /tmp: a workflow has a /tmp of its own. Where the user that the runner is can come. */
const ground = uid === undefined ? join(import.meta.dirname, '../..') : '/opt';
const freshFolder = (): string => {
    const dir = mkdtempSync(join(ground, uid === undefined ? 'build-runner-' : 'signalbox-runner-'));
    if (uid !== undefined) chownSync(dir, uid, uid);
    chmodSync(dir, 0o755);
    return dir;
};

/** The program, where that user can start it. */
let found: string | undefined;
function reachable(): string {
    if (found !== undefined) return found;
    found = program();
    try {
        execFileSync('/usr/bin/test', ['-x', found], asRunner);
    } catch {
        const dir = freshFolder();
        process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
        copyFileSync(found, join(dir, 'signalbox'));
        found = join(dir, 'signalbox');
    }
    return found;
}

/** A page of the shell, put together here: there are no shell files in the tree. */
export const shell = (lines: string[]): string => [`#!${'/bin/sh'}`, ...lines, ''].join('\n');

// ---- the platform ----

export interface Heard {
    runId: string;
    token: string;
    body: Value;
    at: number;
}

type Behaviour = (heard: Heard, answer: ServerResponse, nth: number) => void | Promise<void>;

export const answering =
    (status: number, headers: Record<string, string> = {}): Behaviour =>
    (_heard, answer) => {
        answer.writeHead(status, headers);
        answer.end('{}');
    };

export class Platform {
    readonly heard: Heard[] = [];
    private behaviour: Behaviour = answering(200);
    private server: Server | undefined;
    private scheme = 'http';
    port = 0;

    async start(port = 0, tls?: { key: Buffer; cert: Buffer }): Promise<void> {
        const hear = (ask: IncomingMessage, answer: ServerResponse) => void this.hear(ask, answer);
        const server = tls ? createSecureServer(tls, hear) : createServer(hear);
        this.scheme = tls ? 'https' : 'http';
        await new Promise<void>((done, failed) => {
            server.once('error', failed);
            server.listen(port, '127.0.0.1', done);
        });
        this.server = server;
        this.port = (server.address() as AddressInfo).port;
    }

    /** Nobody listens at its port then. */
    async stop(): Promise<void> {
        const server = this.server;
        this.server = undefined;
        if (!server) return;
        server.closeAllConnections();
        await new Promise((done) => server.close(done));
    }

    will(behaviour: Behaviour): void {
        this.behaviour = behaviour;
    }

    url(runId: string, host = '127.0.0.1'): string {
        return `${this.scheme}://${host}:${this.port}/action-runs/${runId}/callback`;
    }

    of(runId: string): Heard[] {
        return this.heard.filter((one) => one.runId === runId);
    }

    outcomes(runId: string): Heard[] {
        return this.of(runId).filter((one) => one.body['status'] !== 'running');
    }

    private async hear(ask: IncomingMessage, answer: ServerResponse): Promise<void> {
        const parts: Buffer[] = [];
        for await (const part of ask) parts.push(part as Buffer);
        const runId = ask.url?.split('/')[2] ?? '';
        const heard = {
            runId,
            token: ask.headers.authorization ?? '',
            body: JSON.parse(Buffer.concat(parts).toString() || '{}') as Value,
            at: Date.now(),
        };
        this.heard.push(heard);
        await this.behaviour(heard, answer, this.of(runId).length);
    }
}

/** A certificate that signed itself, for a host. */
export function certificate(dir: string, host: string): { key: Buffer; cert: Buffer; file: string } {
    const [key, file] = [join(dir, `${host}.key`), join(dir, `${host}.pem`)];
    const subject = ['-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`];
    const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-keyout', key, '-out', file];
    execFileSync('openssl', [...args, ...subject], { stdio: 'pipe' });
    chmodSync(file, 0o644);
    return { key: readFileSync(key), cert: readFileSync(file), file };
}

// ---- the repository and the tools ----

function makeRepository(dir: string, files: Record<string, string>): void {
    const git = (...args: string[]) =>
        execFileSync('git', ['-C', dir, '-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
            ...asRunner,
            stdio: 'pipe',
            env: { PATH: process.env['PATH'], HOME: dir, GIT_CONFIG_NOSYSTEM: '1' },
        });
    mkdirSync(dir);
    if (uid !== undefined) chownSync(dir, uid, uid);
    git('init', '--quiet', '--initial-branch=main');
    for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(dir, path)), { recursive: true });
        writeFileSync(join(dir, path), text);
    }
    if (uid !== undefined) execFileSync('chown', ['-R', `${uid}:${uid}`, dir]);
    git('add', '.');
    git('commit', '--quiet', '-m', 'first');
}

/** By this a process is known that has nothing else of its house. */
const markOf = (house: string): number => [...house].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 1_000_000_007, 7);

/** The workflow's name says what happens; each start leaves a line in `starts`. */
const atmosLines = (house: string): string[] => [
    `echo "$2 $ATMOS_RUNNER_VAR_mark" >>'${house}/starts'`,
    'echo "workflow $2 with $3"',
    'case "$2" in',
    'ok*) exit 0 ;;',
    'fail*) echo "it went wrong" >&2; exit 42 ;;',
    // what a workflow could want to know of the runner and of other runs
    `spy*) cat '${house}'/state/queue/* >/dev/null 2>&1 && echo "SPY: what was accepted"`,
    `cat '${house}/token' >/dev/null 2>&1 && echo "SPY: the token's file"`,
    `ls '${house}'/work/*/vars.json 2>/dev/null | grep -v "$ATMOS_RUNNER_VARS_FILE" | grep . && echo "SPY: another run's folder"`,
    'for p in /proc/[0-9]*; do tr "\\0" "\\n" <$p/environ 2>/dev/null | grep -q RUNNER_AUTH && echo "SPY: an environment"; done',
    'echo "spied"; exit 0 ;;',
    'tell*) env; exit 0 ;;',
    'say*) echo "said: $ATMOS_RUNNER_VAR_db_password"; exit 0 ;;',
    `wait*) while [ ! -e '${house}/go' ]; do sleep 0.05; done; exit 0 ;;`,
    'sleep*) trap "exit 130" INT; while :; do sleep 0.1; done ;;',
    `stubborn*) trap "" INT TERM; (trap "" INT TERM; sleep 600.${markOf(house)}) & while :; do sleep 0.1; done ;;`,
    // a daemon as a workflow could leave it: a session of its own, another folder, nothing of ours in its environment
    `orphan*) cd /; env -i setsid sleep 600.${markOf(house)} </dev/null >/dev/null 2>&1 & while :; do sleep 0.1; done ;;`,
    'esac',
];

/** A git that waits at the door of each clone for as long as there is a file `hold`. */
const gitLines = (house: string): string[] => [
    `for word in "$@"; do case "$word" in clone|fetch) echo clone >>'${house}/clones';`,
    `while [ -e '${house}/hold' ]; do sleep 0.05; done ;; esac; done`,
    'exec git "$@"',
];

// ---- processes ----

interface Seen {
    pid: number;
    what: string;
}

function proc(pid: number, file: string): string {
    try {
        return readFileSync(`/proc/${pid}/${file}`, 'latin1');
    } catch {
        return '';
    }
}

function link(pid: number, file: string): string {
    try {
        return readlinkSync(`/proc/${pid}/${file}`);
    } catch {
        return '';
    }
}

/** Every process of ours that has to do with this folder. */
function processesOf(dir: string): Seen[] {
    const mark = `600.${markOf(dir)}`;
    const seen: Seen[] = [];
    for (const name of readdirSync('/proc')) {
        const pid = Number(name);
        if (!Number.isInteger(pid) || pid === process.pid) continue;
        const state = proc(pid, 'stat').split(') ').pop()?.[0] ?? '';
        if (state === 'Z' || state === '') continue;
        const command = proc(pid, 'cmdline').replaceAll('\0', ' ');
        const about = [command, proc(pid, 'environ'), link(pid, 'cwd'), link(pid, 'root')];
        if (command.includes(mark) || about.some((text) => text.includes(dir))) seen.push({ pid, what: command });
    }
    return seen;
}

export const isAlive = (pid: number): boolean => {
    const state = proc(pid, 'stat').split(') ').pop()?.[0] ?? '';
    return state !== '' && state !== 'Z';
};

export async function until<T>(what: string, look: () => T | Promise<T>): Promise<NonNullable<T>> {
    for (const end = Date.now() + patience_ms; ; await sleep(15)) {
        const found = await look();
        if (found) return found;
        if (Date.now() > end) throw new Error(`it never came: ${what}`);
    }
}

// ---- the house ----

export interface Reply {
    status: number;
    headers: IncomingMessage['headers'];
    text: string;
    body: Value;
}

export interface HouseOrder {
    settings?: Record<string, string>;
    /** The auth token comes from the file `token`. */
    tokenInFile?: boolean;
    /** What is in the repository. */
    files?: Record<string, string>;
    /** The atmos program itself, instead of the one that does what its workflow's name says. */
    atmos?: string | Buffer;
}

export class RunnerHouse {
    readonly dir: string = freshFolder();
    readonly platform: Platform = new Platform();
    readonly authToken: string = randomBytes(32).toString('hex');
    readonly settings: Record<string, string>;
    /** What must never be seen in a log or a file. */
    readonly secrets: Map<string, string> = new Map();
    private child: ChildProcess | undefined;
    private starts = 0;
    port = 0;

    private constructor(order: HouseOrder) {
        const at = (name: string) => join(this.dir, name);
        makeRepository(at('repo'), order.files ?? { 'atmos.yaml': 'base_path: .\n' });
        for (const [name, lines] of [['atmos', atmosLines(this.dir)], ['git', gitLines(this.dir)]] as const) {
            writeFileSync(at(name), name === 'atmos' && order.atmos !== undefined ? order.atmos : shell(lines), { mode: 0o755 });
        }
        this.secrets.set('the auth token', this.authToken);
        this.settings = {
            RUNNER_AUTH_TOKEN: this.authToken,
            ATMOS_REPO_URL: at('repo'),
            ALLOW_LOCAL_REPO: 'true',
            ATMOS_BIN: at('atmos'),
            GIT_BIN: at('git'),
            WORK_DIR: at('work'),
            STATE_DIR: at('state'),
            BIND_ADDRESS: '127.0.0.1',
            PORT: '0',
            ALLOW_PRIVATE_CALLBACK: 'true',
            CALLBACK_ALLOWED_HOSTS: '127.0.0.1',
            CALLBACK_ALLOWED_PORTS: '*',
            STOP_GRACE: '2s',
            LOG_LEVEL: 'debug',
            ...order.settings,
        };
        if (!order.tokenInFile) return;
        delete this.settings['RUNNER_AUTH_TOKEN'];
        this.settings['RUNNER_AUTH_TOKEN_FILE'] = at('token');
        writeFileSync(at('token'), this.authToken, { mode: 0o644 });
    }

    static async open(order: HouseOrder = {}): Promise<RunnerHouse> {
        const house = new RunnerHouse(order);
        try {
            await house.platform.start();
            await house.start();
            return house;
        } catch (error) {
            await house.abandon();
            throw error;
        }
    }

    // ---- the program ----

    get pid(): number {
        return this.child?.pid ?? 0;
    }

    get log(): string {
        const files = readdirSync(this.dir).filter((file) => file.startsWith('log.'));
        return files.sort().map((file) => readFileSync(join(this.dir, file), 'utf8')).join('');
    }

    get environment(): Record<string, string> {
        return {
            PATH: process.env['PATH'] ?? '/usr/bin:/bin',
            ASAN_OPTIONS: 'abort_on_error=1:detect_leaks=1',
            UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
            ...this.settings,
        };
    }

    async start(): Promise<void> {
        const file = join(this.dir, `log.${String(++this.starts).padStart(3, '0')}`);
        const out = openSync(file, 'a');
        const child = spawn(reachable(), ['runner'], { ...asRunner, cwd: '/', env: this.environment, stdio: ['ignore', out, out] });
        closeSync(out);
        this.child = child;
        const killNow = () => child.kill('SIGKILL');
        process.once('exit', killNow);
        child.once('exit', () => process.removeListener('exit', killNow));
        const lines = () => readFileSync(file, 'utf8').split('\n');
        const listens = await until('the runner listens', () => {
            if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended:\n${this.log}`);
            return lines().find((line) => line.includes('"the runner listens"'));
        });
        this.port = (JSON.parse(listens) as Value)['port'] as number;
    }

    /** What it says when it is started and ends by itself. */
    refusal(args: string[] = [], more: Record<string, string> = {}, user: object = asRunner): { code: number | null; text: string } {
        try {
            const env = { ...this.environment, ...more };
            const text = execFileSync(reachable(), ['runner', ...args], { ...user, cwd: '/', env, encoding: 'utf8', stdio: 'pipe', timeout: patience_ms });
            return { code: 0, text };
        } catch (error) {
            const ended = error as { status: number | null; stderr: string };
            return { code: ended.status, text: ended.stderr };
        }
    }

    signal(name: NodeJS.Signals): void {
        this.child!.kill(name);
    }

    async ended(): Promise<{ code: number | null; signal: string | null }> {
        const child = this.child!;
        await until('the runner has ended', () => child.exitCode !== null || child.signalCode !== null);
        return { code: child.exitCode, signal: child.signalCode };
    }

    async kill(): Promise<void> {
        this.signal('SIGKILL');
        await this.ended();
    }

    // ---- calls ----

    call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Reply> {
        const bytes = body === undefined ? undefined : typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
        const all: Record<string, string> = { authorization: `Bearer ${this.authToken}`, ...headers };
        if (bytes !== undefined) all['content-type'] ??= 'application/json';
        if (all['authorization'] === '') delete all['authorization'];
        return new Promise((done, failed) => {
            const out = request({ host: '127.0.0.1', port: this.port, method, path, headers: all, agent: false }, (answer) => {
                const parts: Buffer[] = [];
                answer.on('data', (part: Buffer) => parts.push(part));
                answer.on('error', failed);
                answer.on('end', () => {
                    const text = Buffer.concat(parts).toString();
                    const isJson = String(answer.headers['content-type']).startsWith('application/json') && text !== '';
                    done({ status: answer.statusCode ?? 0, headers: answer.headers, text, body: isJson ? (JSON.parse(text) as Value) : {} });
                });
            });
            out.on('error', failed);
            out.end(bytes);
        });
    }

    /** A dispatch that is right, but for what is given. */
    payload(more: Value = {}, lives_ms = 3_600_000): Value {
        const runId = (more['runId'] as string | undefined) ?? randomUUID();
        const signature = randomBytes(32).toString('hex');
        this.secrets.set(`the callback token of ${runId}`, signature);
        return {
            runId,
            workflow: 'ok',
            stack: `stack-${runId.slice(0, 8)}`,
            callbackUrl: this.platform.url(runId),
            callbackToken: `${runId}:${Date.now() + lives_ms}:${signature}`,
            ...more,
        };
    }

    /** Dispatches it, and it must be accepted. */
    async dispatch(more: Value = {}): Promise<string> {
        const payload = this.payload(more);
        const reply = await this.call('POST', '/dispatch', payload);
        assert.equal(reply.status, 202, reply.text);
        assert.deepEqual(reply.body, { accepted: true, runId: payload['runId'], state: 'queued' });
        return payload['runId'] as string;
    }

    async run(runId: string): Promise<Value> {
        const reply = await this.call('GET', `/runs/${runId}`);
        assert.equal(reply.status, 200, reply.text);
        return reply.body;
    }

    inState(runId: string, ...states: string[]): Promise<Value> {
        return until(`${runId} is ${states.join(' or ')}`, async () => {
            const run = await this.run(runId);
            return states.includes(run['state'] as string) ? run : undefined;
        });
    }

    /** Ended, and the platform has been told or nobody tries any more. */
    closed(runId: string): Promise<Value> {
        return until(`${runId} is over`, async () => {
            const run = await this.run(runId);
            const callback = run['callback'] as Value | undefined;
            return callback !== undefined && callback['state'] !== 'waiting' ? run : undefined;
        });
    }

    /** The one outcome that the platform heard. */
    outcome(runId: string): Value {
        const all = this.platform.outcomes(runId);
        assert.equal(all.length, 1, `${runId}: ${JSON.stringify(all)}`);
        return all[0]!.body;
    }

    // ---- files ----

    touch(name: string): void {
        writeFileSync(join(this.dir, name), '');
        if (uid !== undefined) chownSync(join(this.dir, name), uid, uid);
    }

    remove(name: string): void {
        rmSync(join(this.dir, name), { force: true });
    }

    /** Nothing can be written there, as if the disk were broken. */
    lock(name: string): void {
        chmodSync(join(this.dir, name), 0o500);
    }

    unlock(name: string): void {
        chmodSync(join(this.dir, name), 0o700);
    }

    lines(name: string): string[] {
        const path = join(this.dir, name);
        return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter((line) => line !== '') : [];
    }

    list(name: string): string[] {
        const path = join(this.dir, name);
        return existsSync(path) ? readdirSync(path) : [];
    }

    private filesBelow(dir: string): string[] {
        return readdirSync(dir, { recursive: true, encoding: 'utf8' })
            .map((name) => join(dir, name))
            .filter((path) => statSync(path).isFile());
    }

    findSecrets(): void {
        const places = this.filesBelow(join(this.dir, 'state')).concat(this.filesBelow(this.dir).filter((path) => path.includes('/log.')));
        for (const path of places) {
            const bytes = readFileSync(path);
            for (const [name, secret] of this.secrets)
                for (const form of [secret, Buffer.from(secret).toString('base64'), Buffer.from(secret).toString('hex')])
                    assert.ok(!bytes.includes(form), `${name} stands in ${path}`);
        }
    }

    // ---- the end ----

    get processes(): Seen[] {
        return processesOf(this.dir);
    }

    /** Everything is over, and nothing is left. */
    async close(): Promise<void> {
        try {
            await until('nothing waits for the platform', async () => this.list('state/queue').length === 0);
            await until('no folder is left', () => this.list('work').length === 0);
            this.signal('SIGTERM');
            assert.deepEqual(await this.ended(), { code: 0, signal: null }, this.log.slice(-3000));
            await until('no process is left', () => this.processes.length === 0).catch(() => assert.deepEqual(this.processes, []));
            assert.doesNotMatch(this.log, /AddressSanitizer|LeakSanitizer|runtime error:|Assertion/, this.log.slice(-6000));
            this.findSecrets();
        } finally {
            await this.abandon();
        }
    }

    async abandon(): Promise<void> {
        await this.platform.stop();
        if (this.child && this.child.exitCode === null && this.child.signalCode === null) await this.kill();
        for (const { pid } of this.processes) {
            try {
                process.kill(pid, 'SIGKILL');
            } catch {
                // gone already
            }
        }
        if (process.env['SIGNALBOX_KEEP'] === undefined) rmSync(this.dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    }
}

export async function withRunner(order: HouseOrder, story: (house: RunnerHouse) => Promise<void>): Promise<void> {
    const house = await RunnerHouse.open(order);
    try {
        await story(house);
    } catch (error) {
        const log = house.log.slice(-8000);
        await house.abandon();
        throw new Error(`${String(error instanceof Error ? error.stack : error)}\n--- its log:\n${log}`);
    }
    await house.close();
}
