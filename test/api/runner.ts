/* A runner that only pretends: it takes dispatches as the test says, and reports when the test wants it to. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Value } from './house.ts';

export interface Heard {
    method: string;
    path: string;
    authorization: string;
    text: string;
    body: Value;
}

export interface Answer {
    status: number;
    body?: unknown;
    headers?: Record<string, string>;
}

export class PretendedRunner {
    readonly dispatches: Heard[] = [];
    readonly cancels: Heard[] = [];
    /** Answers to the next dispatches; then 202. */
    readonly next: Answer[] = [];
    /** Answers to the next cancels; then 202. */
    readonly nextCancel: Answer[] = [];
    private held: (() => void)[] | undefined;
    private server: Server;

    private constructor() {
        this.server = createServer((request, response) => this.heard(request, response));
    }

    static async start(): Promise<PretendedRunner> {
        const runner = new PretendedRunner();
        await new Promise<void>((done) => runner.server.listen(0, '127.0.0.1', done));
        return runner;
    }

    get port(): number {
        return (this.server.address() as AddressInfo).port;
    }
    get endpoint(): string {
        return `http://127.0.0.1:${this.port}/dispatch`;
    }

    /** Dispatches are heard, and not answered before `release`. */
    hold(): void {
        this.held = [];
    }
    release(): void {
        const held = this.held ?? [];
        this.held = undefined;
        for (const answer of held) answer();
    }

    private heard(request: IncomingMessage, response: ServerResponse): void {
        const parts: Buffer[] = [];
        request.on('data', (part: Buffer) => parts.push(part));
        request.on('end', () => {
            const text = Buffer.concat(parts).toString();
            const one: Heard = {
                method: request.method ?? '',
                path: request.url ?? '',
                authorization: request.headers.authorization ?? '',
                text,
                body: JSON.parse(text || '{}') as Value,
            };
            const isCancel = one.path.endsWith('/cancel');
            (isCancel ? this.cancels : this.dispatches).push(one);
            const reply = (isCancel ? this.nextCancel : this.next).shift() ?? {
                status: 202,
                body: { accepted: true, runId: one.body['runId'], state: 'queued' },
            };
            const answer = () => {
                response.writeHead(reply.status, {
                    'content-type': 'application/json',
                    ...reply.headers,
                });
                response.end(
                    typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body ?? {}),
                );
            };
            if (this.held && !isCancel) this.held.push(answer);
            else answer();
        });
    }

    /** The last dispatch of this run. */
    of(run: string): Heard | undefined {
        return this.dispatches.filter((one) => one.body['runId'] === run).at(-1);
    }

    async close(): Promise<void> {
        this.release();
        this.server.closeAllConnections();
        await new Promise((done) => this.server.close(done));
    }
}
