/* A server, its database, the stand-in for GitHub, and a client whose every answer is held against docs/openapi.yaml. */
import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { ForgeSim, type RepoView } from '../forge-sim/client.ts';
import type { Config } from '../forge-sim/forge.ts';
import type { Mint } from '../forge-sim/oidc.ts';
import type { RunnerOrder } from '../forge-sim/runners.ts';
import { program, Server, settingsFor, type Database, type DatabaseKind } from '../run/server.ts';
import { operationOf, wrongIn, type Answer } from './spec.ts';

export type Value = Record<string, any>; // eslint-disable-line

export interface Reply extends Answer {
    /** The envelope; {} for what is not JSON. */
    body: Value;
    data: Value;
}

export interface Call {
    token?: string;
    body?: unknown;
    raw?: string | Buffer;
    type?: string | null;
    headers?: Record<string, string>;
    /** Another server than the house's own. */
    url?: string;
    /** A browser that is signed in: its cookie, and for what changes something its proof. */
    browser?: Browser;
    /** Some answers are meant to carry a secret (a new token). */
    isSecret?: boolean;
}

/** Somebody who signed in. */
export interface Browser {
    /** name=value, as the header Cookie wants it */
    cookie: string;
    csrf: string;
    me: Value;
}

export interface Repo extends RepoView {
    /** Its id at the server (the lane). */
    lane: number;
}

export interface HouseOrder {
    settings?: Record<string, string>;
    sim?: Config;
    /** Without the App of the simulator: as somebody has it who has just installed the program. */
    isBare?: boolean;
    prefix?: string[];
}

export const agent = new Agent({ keepAlive: true, maxSockets: 64 });

export function send(
    url: string,
    method: string,
    target: string,
    call: Call = {},
): Promise<Answer> {
    const bytes = call.raw ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
    const headers: Record<string, string> = {};
    if (bytes !== undefined && call.type !== null)
        headers['content-type'] = call.type ?? 'application/json';
    if (bytes !== undefined) headers['content-length'] = String(Buffer.byteLength(bytes));
    if (call.token !== undefined) headers['authorization'] = `Bearer ${call.token}`;
    if (call.browser) {
        headers['cookie'] = call.browser.cookie;
        headers['x-signalbox-csrf'] = call.browser.csrf;
    }
    const where = new URL(url);
    return new Promise((done, failed) => {
        const out = request(
            {
                agent,
                host: where.hostname,
                port: where.port,
                method,
                path: target,
                headers: { ...headers, ...call.headers },
            },
            (answer) => {
                const parts: Buffer[] = [];
                answer.on('data', (part: Buffer) => parts.push(part));
                answer.on('error', failed);
                answer.on('end', () =>
                    done({
                        status: answer.statusCode ?? 0,
                        headers: answer.headers,
                        text: Buffer.concat(parts).toString(),
                    }),
                );
            },
        );
        out.on('error', failed);
        out.end(bytes);
    });
}

export function signature(secret: string, body: string | Buffer): string {
    return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

export class House {
    readonly database: Database;
    readonly sim: ForgeSim;
    readonly server: Server;
    admin = '';
    workspace = '';
    webhookSecret = '';
    /** Operations that were answered at least once. */
    readonly seen: Set<string> = new Set();
    /** What must never be seen in an answer, in a log or in the database. */
    readonly secrets: Map<string, string> = new Map();

    private constructor(database: Database, sim: ForgeSim, server: Server) {
        this.database = database;
        this.sim = sim;
        this.server = server;
    }

    static async open(kind: DatabaseKind, order: HouseOrder = {}): Promise<House> {
        if (!existsSync(program))
            throw new Error(`${program} is missing; ./dev build sanitized makes it`);
        const [database, sim] = await Promise.all([kind.open(), ForgeSim.start(order.sim ?? {})]);
        let house: House | undefined;
        try {
            house = await House.wire(database, sim, order);
            await house.start();
            house.workspace = (await house.ok('GET', '/api/v1/workspaces')).data['items'][0].id;
            return house;
        } catch (error) {
            // What was started must not outlive a test that could not begin.
            await house?.server.kill();
            await sim.stop();
            await database.close();
            throw error;
        }
    }

    private static async wire(
        database: Database,
        sim: ForgeSim,
        order: HouseOrder,
    ): Promise<House> {
        const wired = await settingsFor(sim, database.dir);
        const bare = {
            github_api: sim.ready.api,
            github_web: sim.ready.api,
            oidc_issuers: sim.ready.oidc,
            ca_file: sim.ready.ca,
        };
        const settings = { ...(order.isBare ? bare : wired), ...order.settings };
        const house = new House(
            database,
            sim,
            new Server(database, { settings, prefix: order.prefix }),
        );
        house.admin = house.server.bootstrap();
        house.webhookSecret = wired['github_webhook_secret']!;
        const { app } = await sim.settings();
        house.secrets.set('the webhook secret', app.webhook_secret);
        house.secrets.set('the private key', app.private_key.split('\n')[2]!);
        house.secrets.set('the admin token', house.admin);
        return house;
    }

    async start(): Promise<void> {
        await this.server.start();
        await this.sim.settings({ webhook_url: `${this.server.url}/webhooks/github` });
    }

    /** Ends everything; a complaint of the sanitizers, a bad exit or a secret in the open fails the test. */
    async close(): Promise<void> {
        try {
            const ended = await this.server.stop();
            assert.deepEqual(this.server.complaints(), [], this.server.log.slice(-6000));
            assert.deepEqual(ended, { code: 0, signal: null }, this.server.log.slice(-3000));
            this.findSecrets('the log', this.server.log);
            this.findSecrets('the database', this.database.dump());
        } finally {
            await this.server.kill();
            await this.sim.stop();
            await this.database.close();
        }
    }

    findSecrets(where: string, bytes: string | Buffer): void {
        const hay = Buffer.from(bytes);
        for (const [name, secret] of this.secrets) {
            assert.ok(!hay.includes(secret), `${name} stands in ${where}`);
            assert.ok(
                !hay.includes(Buffer.from(secret).toString('hex')),
                `${name} stands in ${where} as hex`,
            );
        }
    }

    /** One call, judged by the description. No token means nobody; the admin has to be named. */
    async call(method: string, target: string, call: Call = {}): Promise<Reply> {
        const answer = await send(call.url ?? this.server.url, method, target, call);
        return this.judge(method, target, answer, call.isSecret ?? false);
    }

    judge(method: string, target: string, answer: Answer, isSecret = false): Reply {
        const known = operationOf(method, target);
        if (known) this.seen.add(known.id);
        assert.deepEqual(
            wrongIn(method, target, answer),
            [],
            `${method} ${target} → ${answer.status} ${answer.text.slice(0, 500)}`,
        );
        if (!isSecret) this.findSecrets(`the answer to ${method} ${target}`, answer.text);
        const isJson =
            String(answer.headers['content-type']).startsWith('application/json') &&
            answer.text !== '';
        const body: Value = isJson ? JSON.parse(answer.text) : {};
        return { ...answer, body, data: body['data'] ?? {} };
    }

    /** The same as an admin, and it must succeed. */
    async ok(method: string, target: string, body?: unknown, call: Call = {}): Promise<Reply> {
        const reply = await this.call(method, target, {
            token: this.admin,
            ...(body === undefined ? {} : { body }),
            ...call,
        });
        assert.ok(reply.status < 300, `${method} ${target} → ${reply.status} ${reply.text}`);
        return reply;
    }

    async all(target: string): Promise<Value[]> {
        const items: Value[] = [];
        for (let cursor: string | null = ''; cursor !== null;) {
            const more: string = `${target.includes('?') ? '&' : '?'}limit=500${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`;
            const { data } = await this.ok('GET', target + more);
            items.push(...(data['items'] as Value[]));
            cursor = data['nextCursor'] as string | null;
        }
        return items;
    }

    /** What came from outside; answers to calls of the server's own come when they come. */
    async told(): Promise<Value[]> {
        return (await this.all('/api/v1/facts')).filter((fact) => fact['kind'] !== 'answer');
    }

    /** A repository at the forge that this server knows. */
    async repo(
        name: string,
        files: Record<string, string> = { 'README.md': name },
        owner = 'acme',
    ): Promise<Repo> {
        const view = await this.sim.createRepo({ owner, name, files });
        const body = {
            owner: view.owner,
            name: view.name,
            forgeId: view.id,
            defaultBranch: view.default_branch,
            installationId: view.installation_id ?? undefined,
        };
        const { data } = await this.ok('POST', '/api/v1/repositories', body);
        return { ...view, lane: data['id'] as number };
    }

    mint(repo: Repo | string, runner: RunnerOrder = {}, more: Mint = {}): Promise<string> {
        return this.sim.mintOidc({
            repo: typeof repo === 'string' ? repo : repo.full_name,
            runner,
            ...more,
        });
    }

    exchange(token: string, workspaceId = this.workspace): Promise<Reply> {
        return this.call('POST', '/api/v1/auth/github-oidc', { body: { token, workspaceId } });
    }

    /** What a workflow of this repository holds after its exchange. */
    async session(repo: Repo | string, runner: RunnerOrder = {}): Promise<string> {
        const reply = await this.exchange(await this.mint(repo, runner));
        assert.equal(reply.status, 200, reply.text);
        return reply.data['token'] as string;
    }

    async token(order: Value = {}): Promise<{ id: string; token: string }> {
        const { data } = await this.ok(
            'POST',
            '/api/v1/tokens',
            { name: 'test', role: 'member', ...order },
            { isSecret: true },
        );
        this.secrets.set(`the token ${String(data['id'])}`, data['token'] as string);
        return data as { id: string; token: string };
    }

    /** The code of the link that a server without people prints at its start. */
    welcomeCode(): string {
        const code = [...this.server.log.matchAll(/\/welcome#code=([^\s"]+)/g)].at(-1)?.[1];
        assert.ok(code, 'the server printed no link for the first account');
        return code;
    }

    browserOf(reply: Reply): Browser {
        const [cookie] = [reply.headers['set-cookie'] ?? []].flat();
        assert.ok(cookie, reply.text);
        return { cookie: cookie.split(';')[0]!, csrf: reply.data['csrf'] as string, me: reply.data };
    }

    /** An account by an invitation's code, signed in. Without a code: the first owner. */
    async welcome(
        name = 'ada',
        code = this.welcomeCode(),
        password = 'correct horse battery',
    ): Promise<Browser> {
        const reply = await this.call('POST', '/api/v1/welcome', { body: { code, name, password } });
        assert.equal(reply.status, 201, reply.text);
        return this.browserOf(reply);
    }

    async signIn(name = 'ada', password = 'correct horse battery'): Promise<Browser> {
        const reply = await this.call('POST', '/api/v1/session', { body: { name, password } });
        assert.equal(reply.status, 200, reply.text);
        return this.browserOf(reply);
    }

    /** Signs in as somebody at GitHub; the answer to the callback. */
    async throughGithub(login: string, next = '/'): Promise<Reply> {
        await this.sim.browserOf(login);
        const out = await this.call('GET', `/auth/github?next=${encodeURIComponent(next)}`);
        assert.equal(out.status, 302, out.text);
        return this.backFromGithub(out);
    }

    /** What a browser does that was sent to GitHub: it goes there and comes back with its cookie. */
    async backFromGithub(out: Reply): Promise<Reply> {
        const there = new URL(String(out.headers['location']));
        const seen = await send(there.origin, 'GET', there.pathname + there.search, {
            headers: { 'user-agent': 'browser' },
        });
        assert.equal(seen.status, 302, seen.text);
        const back = new URL(String(seen.headers['location']));
        const [cookie] = [out.headers['set-cookie'] ?? []].flat();
        return this.call('GET', back.pathname + back.search, {
            headers: { cookie: cookie!.split(';')[0]! },
        });
    }

    async signInWithGithub(login: string): Promise<Browser> {
        const reply = await this.throughGithub(login);
        const cookie = [reply.headers['set-cookie'] ?? []]
            .flat()
            .find((one) => one.startsWith('signalbox_session='));
        assert.ok(cookie, String(reply.headers['location']));
        const headers = { cookie: cookie.split(';')[0]! };
        const me = (await this.call('GET', '/api/v1/session', { headers })).data;
        return { cookie: headers.cookie, csrf: me['csrf'] as string, me };
    }

    /** A delivery as GitHub would sign it. */
    deliver(
        event: string,
        payload: unknown,
        change: {
            guid?: string;
            secret?: string;
            headers?: Record<string, string>;
            raw?: Buffer | string;
            type?: string;
            url?: string;
        } = {},
    ): Promise<Reply> {
        const raw = change.raw ?? JSON.stringify(payload);
        const headers = {
            'x-github-event': event,
            'x-github-delivery': change.guid ?? randomUUID(),
            'x-hub-signature-256': signature(change.secret ?? this.webhookSecret, raw),
            ...change.headers,
        };
        return this.call('POST', '/webhooks/github', {
            raw,
            headers,
            type: change.type,
            url: change.url,
        });
    }

    /** Until nothing waits to be applied. */
    async settled(): Promise<void> {
        await eventually(async () => {
            const { data } = await this.ok('GET', '/readyz');
            assert.equal(data['factsPending'], 0);
        });
    }
}

/** Looks again and again until `look` has nothing to complain about. */
export async function eventually<T>(look: () => Promise<T>, patience_ms = 60_000): Promise<T> {
    for (const end = Date.now() + patience_ms; ; await sleep(40)) {
        try {
            return await look();
        } catch (error) {
            if (Date.now() > end) throw error;
        }
    }
}

/** An affected stack as the CLI sends it. */
export function affected(component: string, stack: string, more: Value = {}): Value {
    return {
        component,
        component_type: '',
        component_path: '',
        stack,
        stack_slug: '',
        affected: '',
        affected_all: null,
        dependents: [],
        included_in_dependents: false,
        settings: null,
        ...more,
    };
}

export function upload(repo: Repo, stacks: Value[], more: Value = {}): Value {
    return {
        head_sha: 'a'.repeat(40),
        base_sha: 'b'.repeat(40),
        repo_url: `https://github.com/${repo.full_name}.git`,
        repo_name: repo.name,
        repo_owner: repo.owner,
        repo_host: 'github.com',
        stacks,
        ...more,
    };
}
