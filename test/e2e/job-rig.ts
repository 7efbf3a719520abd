/*
 * One job process of the runner, driven as the service does it: orders and events over descriptor 3. As a user of its own where the tests
 * run as root. At its end nothing may be left: no process, no folder, no secret.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
    chmodSync,
    chownSync,
    copyFileSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    openSync,
    closeSync,
    readdirSync,
    readFileSync,
    rmSync,
    writeFileSync,
} from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { program } from './box.ts';

/** Only a broken job is ever waited for so long. */
export const patience_ms = 180_000;
export const isRoot = process.getuid?.() === 0;

const passwd = readFileSync('/etc/passwd', 'utf8');
/** UID 1001, as in the image; for ssh one with a name, or it refuses to run. */
export const uidOfRunner = 1001;
export const uidWithName = /^[^:]*:[^:]*:1001:/m.test(passwd) ? 1001 : 65534;

/** A job that is killed itself leaves nothing where it has namespaces; elsewhere the service's sweep ends what is left. */
export const noNamespaces = ((): string | false => {
    const owner = isRoot ? { uid: uidOfRunner, gid: uidOfRunner } : {};
    try {
        execFileSync(
            'unshare',
            ['--user', '--map-current-user', '--pid', '--mount', '--fork', 'true'],
            { stdio: 'ignore', cwd: '/', ...owner },
        );
        return false;
    } catch {
        return 'this machine gives no user namespaces to the runner';
    }
})();

/** Not below /tmp: a workflow has a /tmp of its own. Where every user can come. */
const ground = isRoot ? '/opt' : join(import.meta.dirname, '../..');

export interface Ended {
    outcome: 'succeeded' | 'failed';
    reason: string;
    exitCode: number | null;
    signal: string;
    error: string;
    failedStep: string;
    commit: string;
    startedMs: number;
    finishedMs: number;
    cloneMs: number;
    logTail: string;
}
export type Event = { event: string; pid?: number } & Partial<Ended>;

export interface Order {
    workflow?: string;
    stack?: string;
    workflowFile?: string;
    dryRun?: boolean;
    vars?: Record<string, string>;
    repo: Record<string, unknown>;
    atmos?: string;
    env?: Record<string, string>;
    mask?: string[];
    deadlineMs?: number;
    [more: string]: unknown;
}

export class JobHouse {
    readonly dir: string;
    readonly uid: number | undefined;
    private readonly bin: string;
    /** Never to be found in anything that leaves the job. */
    readonly secrets: string[] = [];
    readonly jobs: Job[] = [];

    constructor(uid = uidOfRunner) {
        this.uid = isRoot ? uid : undefined;
        this.dir = mkdtempSync(join(ground, isRoot ? 'signalbox-job-' : 'build-job-'));
        chmodSync(this.dir, 0o755);
        for (const name of ['work', 'state', 'state/runs']) this.folder(name);
        /* The build may lie where that user cannot come. */
        this.bin = join(this.dir, 'signalbox');
        copyFileSync(program(), this.bin);
    }

    /** Of the runner's user. */
    folder(name: string): string {
        const dir = join(this.dir, name);
        mkdirSync(dir, { recursive: true, mode: 0o700 });
        if (this.uid !== undefined) chownSync(dir, this.uid, this.uid);
        return dir;
    }

    /** A program of a shell, put together here: there are no shell files in the tree. */
    script(name: string, lines: string[]): string {
        const path = join(this.dir, name);
        writeFileSync(path, [`#!${'/bin/bash'}`, ...lines, ''].join('\n'), { mode: 0o755 });
        return path;
    }

    async start(order: Order): Promise<Job> {
        const job = new Job(this, this.bin, order);
        this.jobs.push(job);
        return job;
    }

    async run(order: Order): Promise<Job> {
        const job = await this.start(order);
        await job.end();
        return job;
    }

    /** Every process of the runs: they have their folder somewhere in their environment or arguments. */
    processes(): string[] {
        const found: string[] = [];
        for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
            const read = (file: string) => {
                try {
                    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
                } catch {
                    return '';
                }
            };
            const args = read('cmdline');
            if (
                Number(pid) !== process.pid &&
                `${args}${read('environ')}`.includes(join(this.dir, 'work'))
            )
                found.push(`${pid} ${args.replaceAll('\0', ' ')}`);
        }
        return found;
    }

    /** What a restarted service does with the folder of a job that was killed. */
    sweep(job: Job): void {
        rmSync(job.workDir, { recursive: true, force: true });
    }

    async close(): Promise<void> {
        try {
            for (const job of this.jobs) job.release();
            await until('no process to be left', () => this.processes().length === 0).catch(
                (error: Error) => {
                    throw new Error(`${error.message}: ${this.processes().join('\n')}`);
                },
            );
            assert.deepEqual(readdirSync(join(this.dir, 'work')), [], 'folders of runs');
            for (const file of execFileSync('find', [join(this.dir, 'state'), '-type', 'f'], {
                encoding: 'utf8',
            })
                .trim()
                .split('\n')
                .filter(Boolean))
                for (const secret of this.secrets)
                    assert.ok(!readFileSync(file, 'utf8').includes(secret), `a secret in ${file}`);
            for (const job of this.jobs) {
                for (const secret of this.secrets)
                    assert.ok(
                        !JSON.stringify(job.events).includes(secret),
                        'a secret in the events',
                    );
                assert.doesNotMatch(
                    job.stderr(),
                    /AddressSanitizer|LeakSanitizer|runtime error:|Assertion/,
                );
            }
        } finally {
            for (const job of this.jobs) job.release();
            rmSync(this.dir, { recursive: true, force: true });
        }
    }
}

export async function until(
    what: string,
    isSo: () => boolean | Promise<boolean>,
    ms = patience_ms,
): Promise<void> {
    for (const end = Date.now() + ms; !(await isSo()); await sleep(20))
        if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
}

export class Job {
    readonly id = randomUUID();
    readonly events: Event[] = [];
    readonly workDir: string;
    readonly child: ChildProcess;
    private readonly line: Socket;
    private readonly gone: Promise<number | null>;
    private readonly stateDir: string;

    constructor(house: JobHouse, bin: string, order: Order) {
        this.workDir = join(house.dir, 'work', this.id);
        this.stateDir = house.folder(`state/runs/${this.id}`);
        const err = openSync(join(this.stateDir, 'stderr'), 'w');
        const owner = house.uid === undefined ? {} : { uid: house.uid, gid: house.uid };
        this.child = spawn(bin, ['runner-job'], {
            stdio: ['ignore', err, err, 'pipe'],
            env: {},
            cwd: '/',
            ...owner,
        });
        closeSync(err);
        this.line = this.child.stdio[3] as unknown as Socket;
        this.line.on('error', () => undefined);
        createInterface({ input: this.line })
            .on('line', (line) => this.events.push(JSON.parse(line) as Event))
            .on('error', () => undefined);
        /* `close`, not `exit`: by then all that it said has arrived. */
        this.gone = new Promise((done) => this.child.on('close', (code) => done(code)));
        const { repo, ...rest } = order;
        this.say({
            runId: this.id,
            workflow: 'deploy',
            stack: 'dev',
            workDir: this.workDir,
            logFile: join(this.stateDir, 'log'),
            lockFile: join(this.stateDir, 'job.lock'),
            repo: { branch: 'main', depth: 1, ...repo },
            atmos: 'atmos',
            deadlineMs: Date.now() + 170_000,
            stopGraceMs: 20_000,
            hide: [join(house.dir, 'state'), join(house.dir, 'work')],
            ...rest,
        });
    }

    say(order: unknown): void {
        this.line.write(`${JSON.stringify(order)}\n`);
    }

    /** As when the service dies. */
    release(): void {
        this.line.destroy();
    }

    log(): string {
        const path = join(this.stateDir, 'log');
        return existsSync(path) ? readFileSync(path, 'utf8') : '';
    }
    stderr(): string {
        return readFileSync(join(this.stateDir, 'stderr'), 'utf8');
    }

    async told(event: string): Promise<Event> {
        let found: Event | undefined;
        await until(
            `the event ${event}`,
            () =>
                (found = this.events.find((one) => one.event === event)) !== undefined ||
                this.child.exitCode !== null,
        ).catch((error: Error) => {
            throw new Error(`${error.message}\n${JSON.stringify(this.events)}\n${this.log()}`);
        });
        if (found === undefined) found = this.events.find((one) => one.event === event);
        assert.ok(found, `no ${event}: ${JSON.stringify(this.events)} ${this.stderr()}`);
        return found;
    }

    async said(text: string | RegExp): Promise<void> {
        const has = () =>
            typeof text === 'string' ? this.log().includes(text) : text.test(this.log());
        await until(`the log to say ${text}`, has).catch((error: Error) => {
            throw new Error(`${error.message}\n${this.log()}\n${JSON.stringify(this.events)}`);
        });
    }

    async exit(): Promise<number | null> {
        const late = new Promise<never>((_done, failed) =>
            setTimeout(
                () => failed(new Error(`the job does not end\n${this.log()}`)),
                patience_ms,
            ).unref(),
        );
        return Promise.race([this.gone, late]);
    }

    /** Its last event; the process ends with 0 and leaves no folder. */
    async end(): Promise<Ended> {
        const code = await this.exit();
        const last = this.events.at(-1);
        assert.equal(last?.event, 'ended', `${JSON.stringify(this.events)} ${this.stderr()}`);
        assert.equal(code, 0, this.stderr());
        assert.equal(existsSync(this.workDir), false, 'the folder of the run is left');
        return last as unknown as Ended;
    }

    get result(): Ended {
        return this.events.at(-1) as unknown as Ended;
    }
}

// ---- a repository ----

const gitEnv = {
    ...process.env,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@b.c',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@b.c',
};

/** A repository with one commit of those files on main; bare without any. */
export function repository(
    dir: string,
    files: Record<string, string> = {},
): { dir: string; head: string } {
    const git = (...args: string[]) =>
        execFileSync('git', ['-C', dir, ...args], {
            env: gitEnv,
            encoding: 'utf8',
            stdio: ['ignore', 'pipe', 'pipe'],
        }).trim();
    mkdirSync(dir, { recursive: true });
    git('init', '--quiet', '-b', 'main');
    if (Object.keys(files).length === 0) return { dir, head: '' };
    for (const [name, text] of Object.entries(files)) {
        mkdirSync(join(dir, name, '..'), { recursive: true });
        writeFileSync(join(dir, name), text);
    }
    git('add', '-A');
    git('commit', '--quiet', '-m', 'files');
    return { dir, head: git('rev-parse', 'HEAD') };
}
