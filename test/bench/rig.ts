/* What every measurement needs: the built programs, a server of our own, what a process has used, and medians. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHmac, generateKeyPairSync, randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Api } from '../demo/api.ts';
import { freePort, Serve } from '../demo/serve.ts';

const root = join(import.meta.dirname, '../..');
const build = process.env['SIGNALBOX_BENCH_BUILD'] ?? join(root, 'build-bench');
export const program = process.env['SIGNALBOX_BIN_BENCH'] ?? join(build, 'src/signalbox');
export const store = join(build, 'test/bench/bench_store');
export const pairsClient = join(build, 'test/bench/bench_pairs');
export const bareServer = join(build, 'test/bench/bench_bare');
export const webhookSecret = 'a secret of the benchmark';
export const appId = 4242;

/** A build of its own: optimised as the one that ships, with symbols for a profiler. */
export function buildPrograms(): void {
    const run = (command: string, ...args: string[]) => execFileSync(command, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
    if (!existsSync(join(build, 'build.ninja'))) run('meson', 'setup', build, '--buildtype=release', '-Ddebug=true');
    run('ninja', '-C', build, '--quiet', 'src/signalbox', 'test/bench/bench_store', 'test/bench/bench_pairs', 'test/bench/bench_bare', 'test/unit/db/pg-rig');
    process.env['SIGNALBOX_PG_RIG'] ??= join(build, 'test/unit/db/pg-rig');
    process.env['PG_FSYNC'] = 'on'; // the rig of the tests does not wait for the disk
}

export const median = (list: number[]): number => percentile(list, 0.5);
export function percentile(list: number[], share: number): number {
    const sorted = [...list].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

export const has = (command: string): boolean => {
    try {
        execFileSync('which', [command], { stdio: 'ignore' });
        return true;
    } catch {
        return false;
    }
};

/** One look at /proc: resident and peak memory, CPU time so far. */
export function used(pid: number): { rssMb: number; peakMb: number; anonMb: number; cpuMs: number } {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1024;
    /* One clock of the scheduler, in nanoseconds; stat counts in ticks of 10 ms. */
    const tasks = execFileSync('sh', ['-c', `cat /proc/${pid}/task/*/schedstat`], { encoding: 'utf8' });
    const ns = tasks.trim().split('\n').reduce((sum, line) => sum + Number(line.split(' ')[0]), 0);
    return { rssMb: kb('VmRSS'), peakMb: kb('VmHWM'), anonMb: kb('RssAnon'), cpuMs: ns / 1e6 };
}
export const forgetPeak = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');

/** Runs until `stop`; dies with us. */
export class Child {
    readonly process: ChildProcess;
    constructor(command: string, args: string[], stdout: 'ignore' | 'pipe' = 'ignore', env: NodeJS.ProcessEnv = process.env) {
        this.process = spawn(command, args, { stdio: ['ignore', stdout, 'inherit'], env });
        const kill = () => this.process.kill('SIGKILL');
        process.once('exit', kill);
        this.process.once('exit', () => process.removeListener('exit', kill));
    }
    get pid(): number {
        return this.process.pid!;
    }
    async stop(): Promise<void> {
        if (this.process.exitCode !== null || this.process.signalCode !== null) return;
        const ended = new Promise((done) => this.process.once('exit', done));
        this.process.kill('SIGTERM');
        const late = setTimeout(() => this.process.kill('SIGKILL'), 5000);
        await ended;
        clearTimeout(late);
    }
    line(): Promise<string> {
        return new Promise((done) => createInterface({ input: this.process.stdout! }).once('line', done));
    }
}

/** The least that must be done, by a server that does nothing else (bench_bare.c). */
export async function withBare<T>(kind: 'webhooks' | 'locks', load: (port: number, pid: number) => Promise<T>): Promise<T> {
    const dir = mkdtempSync(join(tmpdir(), 'signalbox-bare-'));
    const port = await freePort(0);
    const child = new Child(bareServer, [kind, String(port), join(dir, 'file'), ...(kind === 'webhooks' ? [webhookSecret] : [])], 'pipe');
    try {
        await child.line();
        return await load(port, child.pid);
    } finally {
        await child.stop();
        rmSync(dir, { recursive: true, force: true });
    }
}

export async function answers(url: string, ms_max = 60_000): Promise<void> {
    for (const end = Date.now() + ms_max; Date.now() < end; await sleep(10)) {
        if (await fetch(url).then((a) => a.body?.cancel().then(() => true) ?? true, () => false)) return;
    }
    throw new Error(`nothing answers at ${url}`);
}

export const signature = (body: Buffer | string): string => 'sha256=' + createHmac('sha256', webhookSecret).update(body).digest('hex');

export interface Box {
    serve: Serve;
    api: Api;
    dir: string;
    pid: number;
    deliver(event: string, payload: object): Promise<void>;
    close(): Promise<void>;
}

/** A server on a new database in a folder of its own. */
export async function openBox(settings: Record<string, string> = {}): Promise<Box> {
    const dir = mkdtempSync(join(tmpdir(), 'signalbox-bench-'));
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = join(dir, 'app.pem');
    writeFileSync(pem, privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
    const port = await freePort(0);
    const serve = new Serve(program, port, dir, {
        github_api: 'http://127.0.0.1:1',
        github_app_id: String(appId),
        github_app_slug: 'signalbox-bench',
        github_private_key_file: pem,
        github_webhook_secret: webhookSecret,
        heal_deliveries: '0',
        ...settings,
    });
    const token = serve.bootstrap();
    await serve.start();
    const pid = serve.pid;
    const deliver = async (event: string, payload: object) => {
        const body = JSON.stringify(payload);
        const headers = { 'content-type': 'application/json', 'x-github-event': event, 'x-github-delivery': randomUUID(), 'x-hub-signature-256': signature(body) };
        const answer = await fetch(`${serve.url}/webhooks/github`, { method: 'POST', headers, body });
        if (answer.status !== 202) throw new Error(`the webhook ${event} was answered ${answer.status}: ${await answer.text()}`);
        await answer.body?.cancel();
    };
    const close = async () => {
        await serve.stop();
        rmSync(dir, { recursive: true, force: true });
    };
    return { serve, api: new Api(serve.url, token), dir, pid, deliver, close };
}

export async function importRepository(box: Box, id: number, owner: string, name: string): Promise<number> {
    const body = { forgeId: id, installationId: 7, owner, name, defaultBranch: 'main' };
    const row = await box.api.call<{ id: number }>('POST', '/api/v1/repositories', body);
    return row.id;
}

/** Sends the head first, then the body; the answer says when its last byte had been written. */
export function post(url: string, headers: Record<string, string>, body: Buffer): Promise<{ status: number; sentMs: number; answeredMs: number }> {
    return new Promise((done, failed) => {
        const out = request(url, { method: 'POST', headers: { ...headers, 'content-length': String(body.length) } }, (answer) => {
            answer.resume();
            answer.on('end', () => done({ status: answer.statusCode ?? 0, sentMs, answeredMs: now_ms() }));
        });
        let sentMs = NaN;
        out.on('error', failed);
        out.end(body, () => (sentMs = now_ms()));
    });
}
/** Comparable between processes, finer than a millisecond. */
export const now_ms = (): number => performance.timeOrigin + performance.now();
