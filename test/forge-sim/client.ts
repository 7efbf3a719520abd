import { spawn, type ChildProcess } from 'node:child_process';
import { createSign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Fault } from './faults.ts';
import type { Config, Lie } from './forge.ts';
import type { Files } from './git.ts';
import type { Budget, CallSeen, Window } from './limits.ts';
import type { Permission, Script } from './model.ts';
import type { Mint } from './oidc.ts';
import type { PullOrder, PushOrder, ReleaseOrder } from './people.ts';
import type { RunnerOrder } from './runners.ts';
import type { Json } from './util.ts';
import type { RepoOrder } from './world.ts';

export interface Ready {
    api: string;
    oidc: string;
    ca: string;
    control: string;
    app_id: number;
    dir: string;
}
export interface RepoView {
    id: number;
    full_name: string;
    name: string;
    owner: string;
    owner_id: number;
    default_branch: string;
    git_dir: string;
    head: string | null;
    installation_id: number | null;
}
export interface PullView {
    number: number;
    id: number;
    state: string;
    draft: boolean;
    merged: boolean;
    head_sha: string;
    head_ref: string;
    base_sha: string;
    base_ref: string;
    merge_sha: string | null;
    labels: string[];
    reviews: { id: number; state: string; body: string; user: string; commit_id: string }[];
}
export interface RunView {
    id: number;
    repo: string;
    workflow: string;
    event: string;
    ref: string;
    head_sha: string;
    inputs: Record<string, string>;
    display_title: string;
    status: string;
    conclusion: string | null;
    attempt: number;
    actor: string;
    log: string;
    created_at_ms: number;
    history: { at: number; attempt: number; status: string; conclusion: string | null }[];
}
export interface DeliveryView {
    id: number;
    guid: string;
    event: string;
    action: string | null;
    status: string;
    status_code: number;
    redelivery: boolean;
    delivered_at_ms: number;
    duration_ms: number;
    headers: Record<string, string>;
    body: string;
    response_body: string;
}
export interface RepoState extends RepoView {
    refs: Record<string, string>;
    pulls: number[];
    comments: {
        id: number;
        number: number;
        user: string;
        body: string;
        via_app: boolean;
        deleted: boolean;
        revisions: number;
        reactions: string[];
    }[];
    check_runs: {
        id: number;
        name: string;
        sha: string;
        status: string;
        conclusion: string | null;
        output: { title: string | null; summary: string | null; text: string | null };
        details_url: string | null;
        external_id: string;
        actions: Json[];
        revisions: number;
    }[];
    statuses: { sha: string; state: string; context: string; description: string | null }[];
}
export interface SettingsView {
    app: {
        id: number;
        slug: string;
        client_id: string;
        client_secret: string;
        private_key: string;
        webhook_secret: string;
        webhook_url: string | null;
        events: string[];
        bot: string;
        bot_id: number;
    };
    installations: number[];
    lies: string[];
    token_format: string;
}
/** What GET /limits says of one caller, e.g. `installation 7`. Times are of the forge's clock. */
export interface LimitsOf {
    limit: number;
    remaining: number;
    reset_at_ms: number;
    limited_until_ms: number | null;
    while_limited: number;
    refused: { primary: number; secondary: number };
    overdrawn: number;
    concurrent_max: number;
    points_max: number;
    content_max: number;
    content_hour_max: number;
    windows: Window[];
}
export interface LimitsView {
    now_ms: number;
    callers: Record<string, LimitsOf>;
    calls?: CallSeen[];
}
export interface Verdict {
    runs: {
        total: number;
        intents: number;
        withoutIntent: number;
        byState: Record<string, number>;
        duplicates: Record<string, number[]>;
        duplicateCount: number;
    };
    comments: {
        created: number;
        edits: number;
        perPull: Record<string, number>;
        pullsWithMoreThanOne: number;
        bodies?: {
            id: number;
            pull: string;
            deleted: boolean;
            revisions: { at: number; body: string; by: string }[];
        }[];
    };
    checks: {
        writes: number;
        perSha: Record<string, number>;
        shasWithMoreThanOne: number;
        reopened: number;
        firstSightMs: { count: number; p50: number | null; p99: number | null };
        bodies?: Json[];
    };
    calls: {
        byRoute: Record<string, number>;
        statuses: Record<string, number>;
        total: number;
        whileLimited: number;
        missingUserAgent: number;
        missingVersion: number;
        missingAccept: number;
        notModified: number;
        inFlightMax: number;
        concurrentMaxPerCaller: number;
        concurrentDispatchesMax: number;
        commentWritesAtOnce: number;
    };
    faultsFired: Record<string, number>;
    leaks: { where: string; what: string }[];
    oidc: { discovery: number; jwks: number; token: number };
}

const main_path = fileURLToPath(new URL('./main.ts', import.meta.url));
const ready_timeout_ms = 60_000;

function readyLine(child: ChildProcess): Promise<Ready> {
    return new Promise((done, failed) => {
        const late = setTimeout(
            () => failed(new Error('forge-sim did not get ready in time')),
            ready_timeout_ms,
        );
        child.once('exit', (code) =>
            failed(new Error(`forge-sim ended with ${code} before it was ready`)),
        );
        if (!child.stdout) return failed(new Error('forge-sim has no standard output'));
        createInterface({ input: child.stdout }).once('line', (line) => {
            clearTimeout(late);
            done(JSON.parse(line) as Ready);
        });
    });
}

/** A running simulator. Repositories are named by id or by `owner/name`. */
export class ForgeSim {
    ready: Ready;
    private child: ChildProcess;
    private configDir: string;

    constructor(ready: Ready, child: ChildProcess, configDir: string) {
        this.ready = ready;
        this.child = child;
        this.configDir = configDir;
    }

    static async start(config: Config = {}): Promise<ForgeSim> {
        const dir = mkdtempSync(join(tmpdir(), 'forge-sim-config-'));
        const file = join(dir, 'config.json');
        writeFileSync(file, JSON.stringify(config));
        const argv = [main_path, '--config', file, '--exit-with-stdin'];
        const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
        return new ForgeSim(await readyLine(child), child, dir);
    }

    /** Processor time it has used up. */
    cpuMs(): number {
        const stat = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8');
        const [user, system] = stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 13);
        return (Number(user) + Number(system)) * 10;
    }

    async stop(): Promise<void> {
        const ended = new Promise((done) => this.child.once('exit', done));
        this.child.stdin?.end();
        await ended;
        rmSync(this.configDir, { recursive: true, force: true });
    }

    async control<T>(method: string, path: string, body?: unknown): Promise<T> {
        const response = await fetch(this.ready.control + path, {
            method,
            body: body === undefined ? undefined : JSON.stringify(body),
            headers: { 'content-type': 'application/json' },
        });
        const answer = (await response.json()) as T;
        if (!response.ok)
            throw new Error(`${method} ${path} → ${response.status} ${JSON.stringify(answer)}`);
        return answer;
    }

    settings(change?: Json): Promise<SettingsView> {
        return change ? this.control('PUT', '/settings', change) : this.control('GET', '/settings');
    }

    /** What the installation may spend from now on. */
    setBudget(installation: number, budget: Budget): Promise<LimitsOf> {
        return this.control('PUT', `/installations/${installation}/budget`, budget);
    }

    limits(withCalls = false): Promise<LimitsView> {
        return this.control('GET', withCalls ? '/limits?calls=1' : '/limits');
    }

    /** Who sits at the browser and has agreed to the App; null: nobody who is signed in over there. */
    browserOf(login: string | null, refuses = false): Promise<{ id: number | null }> {
        return this.control('PUT', '/oauth/browser', { login, refuses });
    }

    oauth(): Promise<{ exchanged: number; refused: string[] }> {
        return this.control('GET', '/oauth');
    }

    /** The person has another login from now on; the old one is free for somebody else. */
    renameUser(login: string, to: string): Promise<{ id: number }> {
        return this.control('POST', `/users/${encodeURIComponent(login)}/rename`, { to });
    }

    lie(...lies: Lie[]): Promise<SettingsView> {
        return this.settings({ lies });
    }

    /** Waits until no run moves and no webhook is on its way. */
    idle(timeoutMs = 60_000): Promise<unknown> {
        return this.control('GET', `/idle?timeout_ms=${timeoutMs}`);
    }

    createRepo(order: RepoOrder): Promise<RepoView> {
        return this.control('POST', '/repos', order);
    }

    repo(repo: string | number): Promise<RepoState> {
        return this.control('GET', this.at(repo));
    }

    pushFiles(
        repo: string | number,
        branch: string,
        files: Files,
        more: Partial<PushOrder> = {},
    ): Promise<{ sha: string }> {
        return this.control('POST', this.at(repo, 'push'), { ...more, branch, files });
    }

    addUser(repo: string | number, login: string, permission: Permission): Promise<{ id: number }> {
        return this.control('POST', this.at(repo, 'users'), { login, permission });
    }

    addEnvironment(
        repo: string | number,
        name: string,
        reviewers: string[],
    ): Promise<{ id: number }> {
        return this.control('POST', this.at(repo, 'environments'), { name, reviewers });
    }

    rename(repo: string | number, name: string): Promise<RepoView> {
        return this.control('POST', this.at(repo, 'rename'), { name });
    }

    editRepo(
        repo: string | number,
        edit: { default_branch?: string; archived?: boolean },
    ): Promise<RepoView> {
        return this.control('POST', this.at(repo, 'edit'), edit);
    }

    openPull(repo: string | number, order: PullOrder): Promise<PullView> {
        return this.control('POST', this.at(repo, 'pulls'), order);
    }

    pull(repo: string | number, number: number): Promise<PullView> {
        return this.control('GET', this.at(repo, 'pulls', number));
    }

    pushToPull(
        repo: string | number,
        number: number,
        files: Files,
        more: Partial<PushOrder> = {},
    ): Promise<PullView> {
        return this.control('POST', this.at(repo, 'pulls', number, 'push'), { ...more, files });
    }

    mergePull(
        repo: string | number,
        number: number,
        method: 'merge' | 'squash' = 'merge',
        sender?: string,
    ): Promise<PullView> {
        return this.control('POST', this.at(repo, 'pulls', number, 'merge'), { method, sender });
    }

    closePull(repo: string | number, number: number, sender?: string): Promise<PullView> {
        return this.control('POST', this.at(repo, 'pulls', number, 'close'), { sender });
    }

    reopenPull(repo: string | number, number: number, sender?: string): Promise<PullView> {
        return this.control('POST', this.at(repo, 'pulls', number, 'reopen'), { sender });
    }

    setDraft(
        repo: string | number,
        number: number,
        draft: boolean,
        sender?: string,
    ): Promise<PullView> {
        return this.control('POST', this.at(repo, 'pulls', number, 'draft'), { draft, sender });
    }

    label(
        repo: string | number,
        number: number,
        name: string,
        added = true,
        sender?: string,
    ): Promise<PullView> {
        return this.control('POST', this.at(repo, 'pulls', number, 'label'), {
            name,
            added,
            sender,
        });
    }

    editPull(
        repo: string | number,
        number: number,
        edit: { title?: string; body?: string; base?: string },
    ): Promise<PullView> {
        return this.control('POST', this.at(repo, 'pulls', number, 'edit'), edit);
    }

    pullActivity(
        repo: string | number,
        number: number,
        action: string,
        extra: Json = {},
    ): Promise<PullView> {
        return this.control('POST', this.at(repo, 'pulls', number, 'activity'), { action, extra });
    }

    comment(
        repo: string | number,
        number: number,
        user: string,
        body: string,
    ): Promise<{ id: number }> {
        return this.control('POST', this.at(repo, 'pulls', number, 'comments'), { user, body });
    }

    editComment(
        repo: string | number,
        id: number,
        user: string,
        body: string,
    ): Promise<{ id: number }> {
        return this.control('PATCH', this.at(repo, 'comments', id), { user, body });
    }

    /** seen: what the page of this person still shows. */
    tickComment(repo: string | number, id: number, user: string, text: string, seen?: string): Promise<{ id: number }> {
        return this.control('POST', this.at(repo, 'comments', id, 'tick'), { user, text, seen });
    }

    deleteComment(repo: string | number, id: number, user: string): Promise<{ id: number }> {
        return this.control('DELETE', this.at(repo, 'comments', id), { user });
    }

    release(repo: string | number, order: ReleaseOrder): Promise<{ id: number }> {
        return this.control('POST', this.at(repo, 'releases'), order);
    }

    mergeGroup(
        repo: string | number,
        number: number,
    ): Promise<{ head_sha: string; head_ref: string; base_sha: string }> {
        return this.control('POST', this.at(repo, 'merge-groups'), { number });
    }

    mergeGroupEnd(
        repo: string | number,
        sha: string,
        reason: 'merged' | 'invalidated' | 'dequeued',
    ): Promise<unknown> {
        return this.control('POST', this.at(repo, 'merge-groups', sha, 'end'), { reason });
    }

    /** Somebody pressed "re-run" on our check, or one of its buttons. */
    checkRequest(
        repo: string | number,
        id: number,
        identifier?: string,
        sender?: string,
    ): Promise<unknown> {
        return this.control('POST', this.at(repo, 'check-runs', id, 'request'), {
            identifier,
            sender,
        });
    }

    script(script: Script): Promise<{ id: number }> {
        return this.control('POST', '/scripts', script);
    }

    fault(fault: Fault): Promise<{ id: number }> {
        return this.control('POST', '/faults', fault);
    }

    clearFaults(): Promise<unknown> {
        return this.control('DELETE', '/faults');
    }

    runs(repo?: string): Promise<RunView[]> {
        return this.control(
            'GET',
            '/runs' + (repo === undefined ? '' : `?repo=${encodeURIComponent(repo)}`),
        );
    }

    run(
        id: number,
        action: 'approve' | 'reject' | 'cancel' | 'rerun' | 'finish',
        body: Json = {},
    ): Promise<RunView> {
        return this.control('POST', `/runs/${id}/${action}`, body);
    }

    /** Bodies are heavy: leave them out after a load. */
    deliveries(only: { event?: string; bodies?: boolean } = {}): Promise<DeliveryView[]> {
        const query = new URLSearchParams();
        if (only.event !== undefined) query.set('event', only.event);
        if (only.bodies === false) query.set('bodies', '0');
        return this.control('GET', `/deliveries?${query.toString()}`);
    }

    redeliver(id: number): Promise<unknown> {
        return this.control('POST', `/deliveries/${id}/redeliver`);
    }

    ping(): Promise<unknown> {
        return this.control('POST', '/ping');
    }

    /** Sends a body of your own, signed. */
    sendWebhook(event: string, payload: Json): Promise<unknown> {
        return this.control('POST', '/webhooks', { event, payload });
    }

    installation(id: number, action: string, body: Json = {}): Promise<Json> {
        return this.control('POST', `/installations/${id}/${action}`, body);
    }

    referee(isFull = false): Promise<Verdict> {
        return this.control('GET', '/referee' + (isFull ? '?full=1' : ''));
    }

    async mintOidc(
        order: Mint & { repo?: string | number; runner?: RunnerOrder } = {},
    ): Promise<string> {
        return (await this.control<{ token: string }>('POST', '/oidc/mint', order)).token;
    }

    rotateKeys(keepOld: boolean): Promise<{ kid: string }> {
        return this.control('POST', '/oidc/rotate', { keep_old: keepOld });
    }

    runnerEnv(repo: string | number, order: RunnerOrder = {}): Promise<Record<string, string>> {
        return this.control('POST', this.at(repo, 'runner-env'), order);
    }

    private at(repo: string | number, ...rest: (string | number)[]): string {
        return [
            '/repos',
            encodeURIComponent(String(repo)),
            ...rest.map((part) => encodeURIComponent(String(part))),
        ].join('/');
    }
}

/** The App's own JWT, as a client would make it. */
export function appJwt(
    appId: number,
    privateKeyPem: string,
    change: { iat?: number; exp?: number; iss?: string } = {},
): string {
    const now = Math.floor(Date.now() / 1000);
    const encode = (value: Json) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode({ iat: now - 60, exp: now + 540, iss: String(appId), ...change })}`;
    return `${text}.${createSign('RSA-SHA256').update(text).sign(privateKeyPem, 'base64url')}`;
}
