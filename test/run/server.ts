/*
 * A real `signalbox serve` for tests in TypeScript, on an embedded database or on a PostgreSQL of its own, wired to the stand-in for
 * GitHub. It is killed by its process id only, and what it wrote to its log is kept.
 */
import {
    execFileSync,
    spawn,
    type ChildProcess,
    type ChildProcessByStdio,
} from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { ForgeSim } from '../forge-sim/client.ts';

const root = join(import.meta.dirname, '..', '..');
export const program = resolve(root, process.env['SIGNALBOX_BIN'] ?? 'build-test/src/signalbox');
const ready_ms_max = 60_000;
const stop_ms_max = 60_000;

function rigProgram(): string {
    const beside = join(dirname(dirname(program)), 'test/unit/db/pg-rig');
    const told = process.env['SIGNALBOX_PG_RIG'];
    if (told) return resolve(root, told);
    return existsSync(beside) ? beside : join(root, 'build-test/test/unit/db/pg-rig');
}

/** A PostgreSQL in a temporary folder; it goes when its standard input closes. */
export class PgRig {
    private child: ChildProcessByStdio<Writable, Readable, null>;
    private lines: AsyncIterableIterator<string>;
    private reader: Interface;

    private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
        this.child = child;
        this.reader = createInterface({ input: child.stdout });
        this.lines = this.reader[Symbol.asyncIterator]();
    }

    static async start(): Promise<PgRig> {
        const rig = new PgRig(spawn(rigProgram(), { stdio: ['pipe', 'pipe', 'inherit'] }));
        await rig.line();
        return rig;
    }

    private async line(): Promise<string> {
        const next = await this.lines.next();
        if (next.done) throw new Error('pg-rig ended');
        return next.value;
    }

    private async ask(word: string, want?: string): Promise<string> {
        this.child.stdin.write(`${word}\n`);
        const answer = await this.line();
        if (want !== undefined && answer !== want)
            throw new Error(`pg-rig answered "${answer}" to ${word}`);
        return answer;
    }

    /** The URL of a new, empty database. */
    fresh(): Promise<string> {
        return this.ask('fresh');
    }
    async kill(): Promise<void> {
        await this.ask('kill', 'killed');
    }
    async revive(): Promise<void> {
        await this.ask('revive', 'ready');
    }

    async stop(): Promise<void> {
        const ended = new Promise((done) => this.child.once('exit', done));
        this.child.stdin.end();
        await ended;
        this.reader.close();
    }
}

/** One database for one server, or for several that share it. */
export interface Database {
    kind: DatabaseKind;
    url: string;
    dir: string;
    rig: PgRig | null;
    /** Everything in it, as bytes, for searching. */
    dump: () => Buffer;
    close: () => Promise<void>;
}

export interface DatabaseKind {
    name: 'SQLite' | 'PostgreSQL';
    open: () => Promise<Database>;
}

function folder(): string {
    return mkdtempSync(join(tmpdir(), 'signalbox-test-'));
}

const sqlite: DatabaseKind = {
    name: 'SQLite',
    open: async () => {
        const dir = folder();
        const url = join(dir, 'signalbox.db');
        const files = () =>
            readdirSync(dir).filter(
                (file) => file.startsWith('signalbox.db') && !file.endsWith('.key'),
            );
        return {
            kind: sqlite,
            url,
            dir,
            rig: null,
            dump: () => Buffer.concat(files().map((file) => readFileSync(join(dir, file)))),
            close: async () => rmSync(dir, { recursive: true, force: true }),
        };
    },
};

function pgDump(url: string): Buffer {
    const binary =
        ['15', '16', '17']
            .map((n) => `/usr/lib/postgresql/${n}/bin/pg_dump`)
            .find((path) => existsSync(path)) ?? 'pg_dump';
    return execFileSync(binary, ['--data-only', '--inserts', url], {
        maxBuffer: 256 << 20,
        stdio: ['ignore', 'pipe', 'pipe'],
    });
}

const postgres: DatabaseKind = {
    name: 'PostgreSQL',
    open: async () => {
        const rig = await PgRig.start();
        const url = await rig.fresh();
        const dir = folder();
        return {
            kind: postgres,
            url,
            dir,
            rig,
            dump: () => pgDump(url),
            close: async () => {
                await rig.stop();
                rmSync(dir, { recursive: true, force: true });
            },
        };
    },
};

/** Every test of the API runs on each of them. */
export const databases: readonly DatabaseKind[] = [sqlite, postgres];

export interface Ended {
    code: number | null;
    signal: NodeJS.Signals | null;
}

export interface ServerOrder {
    settings?: Record<string, string>;
    /** Words before the program, e.g. a shell that lowers a limit and then becomes the program. */
    prefix?: string[];
}

/** One process. Port 0 at the first start; started again, it is found under the port it had. */
export class Server {
    readonly database: Database;
    readonly settings: Record<string, string>;
    url = '';
    log = '';
    private prefix: string[];
    private child: ChildProcess | undefined;
    private ended: Promise<Ended> | undefined;

    constructor(database: Database, order: ServerOrder = {}) {
        const key = join(database.dir, 'signalbox.db.key');
        if (!existsSync(key)) writeFileSync(key, randomBytes(32), { mode: 0o600 });
        this.database = database;
        this.prefix = order.prefix ?? [];
        this.settings = {
            listen: '127.0.0.1:0',
            database: database.url,
            secret_key_file: key,
            public_url: 'http://signalbox.test',
            github_api: 'http://127.0.0.1:9',
            ...order.settings,
        };
    }

    private args(more: Record<string, string> = {}): string[] {
        return Object.entries({ ...this.settings, ...more }).map(
            ([name, value]) => `--${name.replaceAll('_', '-')}=${value}`,
        );
    }

    /** An admin token, straight into the database. An embedded database has to be free for that. */
    bootstrap(): string {
        return execFileSync(program, ['bootstrap', ...this.args()], {
            encoding: 'utf8',
            stdio: ['ignore', 'pipe', 'pipe'],
        }).trim();
    }

    /** A link for a new owner. An embedded database has to be free for that. */
    bootstrapLink(): string {
        return execFileSync(program, ['bootstrap', '--link', ...this.args()], {
            encoding: 'utf8',
            stdio: ['ignore', 'pipe', 'pipe'],
        }).trim();
    }

    get pid(): number {
        if (this.child?.pid === undefined) throw new Error('the server does not run');
        return this.child.pid;
    }

    private spawn(): ChildProcess {
        const command = [...this.prefix, program, 'serve', ...this.args()];
        const child = spawn(command[0]!, command.slice(1), {
            stdio: ['ignore', 'pipe', 'pipe'],
            cwd: this.database.dir,
        });
        for (const stream of [child.stdout!, child.stderr!])
            stream.setEncoding('utf8').on('data', (text: string) => {
                this.log += text;
            });
        const killNow = () => child.kill('SIGKILL');
        process.once('exit', killNow);
        this.ended = new Promise((done) => {
            const end = (code: number | null, signal: NodeJS.Signals | null) => {
                process.removeListener('exit', killNow);
                done({ code, signal });
            };
            child.once('close', end);
            child.once('error', (error) => {
                this.log += `${error.message}\n`;
                end(null, null);
            });
        });
        return child;
    }

    /** Waits for the line "serving"; an end before that is an error with the log in it. */
    async start(): Promise<void> {
        const from = this.log.length;
        const child = (this.child = this.spawn());
        const end = Date.now() + ready_ms_max;
        for (;;) {
            const url = /\bserving url=(\S+)/.exec(this.log.slice(from))?.[1];
            if (url !== undefined) {
                this.url = url.replaceAll('"', '');
                this.settings['listen'] = this.url.replace(/^http:\/\//, '');
                return;
            }
            if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null)
                throw new Error(`serve ended at once:\n${this.log.slice(from)}`);
            if (Date.now() > end)
                throw new Error(`serve was not ready in time:\n${this.log.slice(from)}`);
            await new Promise((done) => setTimeout(done, 10));
        }
    }

    /** For a start that is expected to fail: how it ended and what it said. */
    async startAndEnd(): Promise<Ended & { said: string }> {
        const from = this.log.length;
        this.child = this.spawn();
        const late = setTimeout(() => this.child?.kill('SIGKILL'), ready_ms_max);
        const ended = await this.ended!;
        clearTimeout(late);
        return { ...ended, said: this.log.slice(from) };
    }

    private async end(signal: NodeJS.Signals): Promise<Ended> {
        const child = this.child;
        if (!child || !this.ended) return { code: 0, signal: null };
        child.kill(signal);
        const late = setTimeout(() => child.kill('SIGKILL'), stop_ms_max);
        const ended = await this.ended;
        clearTimeout(late);
        this.child = undefined;
        return ended;
    }

    /** As a power cut would: no goodbye. */
    async kill(): Promise<void> {
        await this.end('SIGKILL');
    }
    stop(): Promise<Ended> {
        return this.end('SIGTERM');
    }

    /** What the sanitizers or an assertion had to say. */
    complaints(): string[] {
        return this.log
            .split('\n')
            .filter((line) =>
                /ERROR: (Address|Leak)Sanitizer|runtime error:|Assertion .* failed|SUMMARY: /.test(
                    line,
                ),
            );
    }
}

/** The settings that make a server the App of the stand-in for GitHub. */
export async function settingsFor(sim: ForgeSim, dir: string): Promise<Record<string, string>> {
    const { app } = await sim.settings();
    const key = join(dir, 'app.pem');
    writeFileSync(key, app.private_key, { mode: 0o600 });
    return {
        github_api: sim.ready.api,
        github_web: sim.ready.api,
        github_app_id: String(app.id),
        github_app_slug: app.slug,
        github_private_key_file: key,
        github_webhook_secret: app.webhook_secret,
        github_client_id: app.client_id,
        github_client_secret: app.client_secret,
        oidc_issuers: sim.ready.oidc,
        ca_file: sim.ready.ca,
    };
}
