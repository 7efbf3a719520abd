import assert from 'node:assert/strict';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { appJwt, ForgeSim, type RepoView } from '../client.ts';
import type { Config } from '../forge.ts';
import type { Json } from '../util.ts';

export const plan_workflow = `name: atmos plan
run-name: plan \${{ inputs.component }}/\${{ inputs.stack }}/\${{ inputs.atmos_pro_run_id }}
on:
  workflow_dispatch:
    inputs:
      component: { required: true, type: string }
      stack: { required: true, type: string }
      sha: { required: false, type: string }
      atmos_pro_run_id: { required: false, type: string }
      mode: { type: choice, options: [plan, apply], default: plan }
permissions: { id-token: write, contents: read }
jobs:
  plan:
    runs-on: ubuntu-latest
    steps: [{ run: 'true' }]
`;

export const files = {
    'README.md': '# infra\n',
    '.github/workflows/plan.yaml': plan_workflow,
    '.github/workflows/push.yaml': 'on: push\njobs: { a: { runs-on: ubuntu-latest } }\n',
    '.github/workflows/apply.yaml': plan_workflow.replace(
        '  plan:\n',
        '  apply:\n    environment: production\n',
    ),
    'stacks/dev.yaml': 'vars: {}\n',
};

export interface Received {
    event: string;
    headers: http.IncomingHttpHeaders;
    raw: Buffer;
    body: Json;
}

/** A webhook receiver that answers what it is told to. */
export class Receiver {
    url = '';
    got: Received[] = [];
    status = 202;
    delayMs = 0;
    private server: http.Server;

    constructor() {
        this.server = http.createServer((request, response) => {
            void this.take(request, response);
        });
    }

    async listen(): Promise<void> {
        await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
        this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/hook`;
    }

    of(event: string, action?: string): Received[] {
        return this.got.filter(
            (one) => one.event === event && (action === undefined || one.body['action'] === action),
        );
    }

    close(): void {
        this.server.closeAllConnections();
        this.server.close();
    }

    private async take(
        request: http.IncomingMessage,
        response: http.ServerResponse,
    ): Promise<void> {
        const parts: Buffer[] = [];
        for await (const part of request) parts.push(part as Buffer);
        const raw = Buffer.concat(parts);
        const text = raw.toString('utf8');
        let body: Json = {};
        try {
            body = JSON.parse(
                text.startsWith('payload=') ? decodeURIComponent(text.slice(8)) : text,
            ) as Json;
        } catch {
            /* a fault may have altered it; the test looks at raw */
        }
        this.got.push({
            event: String(request.headers['x-github-event']),
            headers: request.headers,
            raw,
            body,
        });
        setTimeout(() => response.writeHead(this.status).end(), this.delayMs);
    }
}

export interface Answer {
    status: number;
    body: Json;
    headers: Headers;
    text: string;
}

/** One simulator with one repository and a receiver, and calls with the right headers. */
export class Rig {
    sim: ForgeSim;
    hook: Receiver;
    repo: RepoView;
    jwt = '';
    token = '';

    constructor(sim: ForgeSim, hook: Receiver, repo: RepoView) {
        this.sim = sim;
        this.hook = hook;
        this.repo = repo;
    }

    static async start(config: Config = {}): Promise<Rig> {
        const hook = new Receiver();
        await hook.listen();
        const sim = await ForgeSim.start({
            ...config,
            app: { webhookUrl: hook.url, webhookSecret: 'a webhook secret', ...config.app },
        });
        const rig = new Rig(
            sim,
            hook,
            await sim.createRepo({ owner: 'acme', name: 'infra', files }),
        );
        const { app } = await sim.settings();
        rig.jwt = appJwt(app.id, app.private_key);
        rig.token = await rig.newToken();
        return rig;
    }

    async stop(): Promise<void> {
        this.hook.close();
        await this.sim.stop();
    }

    async newToken(body?: Json, headers: Record<string, string> = {}): Promise<string> {
        const path = `/app/installations/${this.repo.installation_id}/access_tokens`;
        const answer = await this.call('POST', path, body, {
            authorization: `Bearer ${this.jwt}`,
            ...headers,
        });
        return String(answer.body['token']);
    }

    async call(
        method: string,
        path: string,
        body?: unknown,
        headers: Record<string, string> = {},
    ): Promise<Answer> {
        const response = await fetch(path.startsWith('http') ? path : this.sim.ready.api + path, {
            method,
            redirect: 'manual',
            body: body === undefined ? undefined : JSON.stringify(body),
            headers: {
                'accept': 'application/vnd.github+json',
                'authorization': `Bearer ${this.token}`,
                'user-agent': 'forge-sim-test',
                'x-github-api-version': '2022-11-28',
                'content-type': 'application/json',
                ...headers,
            },
        });
        const text = await response.text();
        const isJson = response.headers.get('content-type')?.includes('json') && text !== '';
        return {
            status: response.status,
            body: (isJson ? safeParse(text) : {}) as Json,
            headers: response.headers,
            text,
        };
    }

    dispatch(inputs: Json, file = 'plan.yaml', more: Json = {}): Promise<Answer> {
        return this.call('POST', `/repos/acme/infra/actions/workflows/${file}/dispatches`, {
            ref: 'main',
            inputs,
            return_run_details: true,
            ...more,
        });
    }
}

function safeParse(text: string): unknown {
    try {
        return JSON.parse(text);
    } catch {
        return {};
    }
}

export function inputs(id: string, more: Json = {}): Json {
    return { component: 'vpc', stack: 'dev', atmos_pro_run_id: id, ...more };
}

/**
 * What holds for so many ms and no longer: `soon` judges what was seen if that was within the time, `later` looks when it is over. A machine
 * that was too slow for it is given more.
 */
export async function inTime(
    act: (ms: number) => Promise<{ soon: () => void; later: () => Promise<void> }>,
): Promise<void> {
    for (let ms = 1000; ; ms *= 4) {
        const began = Date.now();
        const { soon, later } = await act(ms);
        const wasInTime = Date.now() - began < ms;
        assert.ok(wasInTime || ms < 60_000, `two calls took more than ${ms} ms`);
        if (wasInTime) soon();
        await new Promise((done) => setTimeout(done, ms + 50));
        if (wasInTime) return later();
    }
}
