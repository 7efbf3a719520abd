/* A `signalbox serve` of our own: started, killed in the middle on order, started again, stopped. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const ready_ms_max = 60_000;

/**
 * The one that is wished for, when it is free. Otherwise (0: any) one below those that the kernel hands out by itself: a server that is
 * killed finds its port again, whoever else opened connections meanwhile.
 */
export async function freePort(wish: number): Promise<number> {
    const others = Array.from({ length: 50 }, () => 12_000 + Math.floor(Math.random() * 20_000));
    for (const port of [...(wish === 0 ? [] : [wish]), ...others]) {
        const server = createServer();
        const got = await new Promise<number>((done) => {
            server.once('error', () => done(0));
            server.listen(port, '127.0.0.1', () => done((server.address() as AddressInfo).port));
        });
        if (got === 0) continue;
        await new Promise((done) => server.close(done));
        return got;
    }
    throw new Error('no free port on 127.0.0.1');
}

export class Serve {
    readonly url: string;
    readonly logFile: string;
    private program: string;
    private args: string[];
    private child: ChildProcess | undefined;
    private isStopping = false;
    /** Called when it ends and nobody asked it to. */
    died: (code: number | null) => void = () => {};

    constructor(program: string, port: number, dir: string, settings: Record<string, string>) {
        const all = { database: `${dir}/signalbox.db`, ...settings, listen: `127.0.0.1:${port}` };
        const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}\n`);
        this.program = program;
        this.url = `http://127.0.0.1:${port}`;
        this.logFile = `${dir}/serve.log`;
        writeFileSync(`${dir}/signalbox.conf`, lines.join(''), { mode: 0o600 });
        this.args = ['--config', `${dir}/signalbox.conf`];
    }

    get pid(): number {
        return this.child?.pid ?? 0;
    }

    /** The first admin token, straight into the database; an embedded one has to be free for that. */
    bootstrap(): string {
        return execFileSync(this.program, ['bootstrap', ...this.args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
    }

    async start(): Promise<void> {
        const log = openSync(this.logFile, 'a');
        const child = spawn(this.program, ['serve', ...this.args], { stdio: ['ignore', log, log] });
        closeSync(log);
        this.child = child;
        this.isStopping = false;
        const killNow = () => child.kill('SIGKILL');
        process.once('exit', killNow);
        child.once('exit', (code) => {
            process.removeListener('exit', killNow);
            if (this.child === child && !this.isStopping) this.died(code);
        });
        for (const end = Date.now() + ready_ms_max; Date.now() < end; await sleep(25)) {
            if (child.exitCode !== null) throw new Error(`signalbox serve ended at once:\n${this.logTail()}`);
            const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
            if (answer?.ok) return;
        }
        throw new Error(`signalbox serve was not ready in time:\n${this.logTail()}`);
    }

    /** As a power cut would: no goodbye. */
    kill(): Promise<void> {
        return this.end('SIGKILL');
    }

    /** It has to stop by itself, in time and content (a sanitizer's complaint would be an exit code, too). */
    async stop(): Promise<void> {
        await this.end('SIGTERM');
        const code = this.child?.exitCode;
        if (this.child && this.isStopping && code !== 0) throw new Error(`signalbox serve stopped with ${code ?? this.child.signalCode}:\n${this.logTail()}`);
    }

    private async end(signal: NodeJS.Signals): Promise<void> {
        const child = this.child;
        if (!child || child.exitCode !== null || child.signalCode !== null) return;
        this.isStopping = true;
        const ended = new Promise((done) => child.once('exit', done));
        child.kill(signal);
        const late = setTimeout(() => child.kill('SIGKILL'), 60_000);
        await ended;
        clearTimeout(late);
    }

    logWhole(): string {
        return readFileSync(this.logFile, 'utf8');
    }

    logTail(): string {
        const lines = this.logWhole().split('\n');
        return lines.filter((line) => !/ method=GET .* status=200 /.test(line)).slice(-40).join('\n');
    }
}
