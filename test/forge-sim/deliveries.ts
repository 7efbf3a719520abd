import { createHmac, randomBytes } from 'node:crypto';
import * as http from 'node:http';
import * as https from 'node:https';
import type { App } from './model.ts';
import type { Faults } from './faults.ts';
import { uuidOf, type Json, nowMs } from './util.ts';

export const delivery_timeout_ms = 10_000;
const kept_max = 10_000;

export interface Attempt {
    id: number;
    guid: string;
    deliveredAt: number;
    redelivery: boolean;
    durationMs: number;
    status: string;
    statusCode: number;
    event: string;
    action: string | null;
    installationId: number | null;
    repositoryId: number | null;
    headers: Record<string, string>;
    body: Buffer;
    responseHeaders: Json;
    responseBody: string;
    done: boolean;
}

interface Answer {
    statusCode: number;
    status: string;
    headers: Json;
    body: string;
}

/** Signs, sends and records webhooks; it never retries by itself, as GitHub does not. */
export class Deliveries {
    attempts: Map<number, Attempt> = new Map();
    delayMs = 0;
    concurrency = 32;
    timeoutMs = delivery_timeout_ms;
    lies: Set<string> = new Set();
    private idNext = 142_000_000_001;
    private queue: (() => Promise<void>)[] = [];
    private active = 0;
    private later = 0;
    private isClosed = false;
    private app: App;
    private faults: Faults;
    private agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
    private tlsAgent = new https.Agent({ keepAlive: true, maxSockets: 64 });

    constructor(app: App, faults: Faults) {
        this.app = app;
        this.faults = faults;
    }

    /** Nothing queued, delayed or in flight. */
    isIdle(): boolean {
        return this.active === 0 && this.queue.length === 0 && this.later === 0;
    }

    list(): Attempt[] {
        return [...this.attempts.values()].filter((one) => one.done);
    }

    emit(
        event: string,
        action: string | null,
        installationId: number | null,
        repositoryId: number | null,
        payload: Json,
    ): void {
        if (!this.app.webhookUrl) return;
        const body = Buffer.from(JSON.stringify(payload));
        const faults = this.faults.forDelivery(event, action);
        const kinds = new Set(faults.map((fault) => fault.kind));
        const attempt = this.attemptOf(event, action, installationId, repositoryId, body);
        if (kinds.has('drop-silent')) return;
        if (kinds.has('drop')) return this.dropped(attempt);
        if (kinds.has('bad-signature'))
            attempt.headers['X-Hub-Signature-256'] = 'sha256=' + '0'.repeat(64);
        if (kinds.has('no-signature')) delete attempt.headers['X-Hub-Signature-256'];
        if (kinds.has('altered-byte')) {
            attempt.body = Buffer.from(attempt.body);
            attempt.body[attempt.body.length - 2] = 0x20;
        }
        let waitMs = this.delayMs;
        for (const fault of faults) {
            if (fault.kind === 'delay') waitMs += fault.ms ?? 1000;
            if (fault.kind === 'reorder') waitMs += this.faults.between(0, fault.ms ?? 200);
        }
        this.post(attempt, waitMs);
        if (kinds.has('duplicate'))
            this.post({ ...attempt, id: this.idNext++ }, waitMs + (faults[0]?.ms ?? 0));
        if (kinds.has('semantic-duplicate')) {
            this.post(this.attemptOf(event, action, installationId, repositoryId, body), waitMs);
        }
    }

    /** A new attempt with the old guid and body. */
    redeliver(attempt: Attempt): void {
        const body = attempt.body;
        this.post(
            {
                ...attempt,
                id: this.idNext++,
                redelivery: true,
                done: false,
                headers: { ...attempt.headers, ...this.signatures(body) },
            },
            0,
        );
    }

    close(): void {
        this.isClosed = true;
        this.queue = [];
        this.agent.destroy();
        this.tlsAgent.destroy();
    }

    private signatures(body: Buffer): Record<string, string> {
        const secret = this.lies.has('wrong-signature')
            ? this.app.webhookSecret + 'x'
            : this.app.webhookSecret;
        if (!secret) return {};
        return {
            'X-Hub-Signature': 'sha1=' + createHmac('sha1', secret).update(body).digest('hex'),
            'X-Hub-Signature-256':
                'sha256=' + createHmac('sha256', secret).update(body).digest('hex'),
        };
    }

    private attemptOf(
        event: string,
        action: string | null,
        installationId: number | null,
        repositoryId: number | null,
        json: Buffer,
    ): Attempt {
        const isForm = this.app.contentType === 'form';
        const body = isForm
            ? Buffer.from('payload=' + encodeURIComponent(json.toString('utf8')))
            : json;
        const guid = uuidOf(randomBytes(16));
        return {
            id: this.idNext++,
            guid,
            deliveredAt: nowMs(),
            redelivery: false,
            durationMs: 0,
            status: '',
            statusCode: 0,
            event,
            action,
            installationId,
            repositoryId,
            body,
            responseHeaders: {},
            responseBody: '',
            done: false,
            headers: {
                'Accept': '*/*',
                'Content-Type': isForm ? 'application/x-www-form-urlencoded' : 'application/json',
                'User-Agent': 'GitHub-Hookshot/f0r9e51',
                'X-GitHub-Delivery': guid,
                'X-GitHub-Event': event,
                'X-GitHub-Hook-ID': String(this.app.hookId),
                'X-GitHub-Hook-Installation-Target-ID': String(this.app.id),
                'X-GitHub-Hook-Installation-Target-Type': 'integration',
                ...this.signatures(body),
            },
        };
    }

    private dropped(attempt: Attempt): void {
        attempt.status = 'failed to connect to host';
        attempt.statusCode = 502;
        this.record(attempt);
    }

    private record(attempt: Attempt): void {
        attempt.done = true;
        this.attempts.set(attempt.id, attempt);
        if (this.attempts.size > kept_max) {
            const oldest = this.attempts.keys().next();
            if (!oldest.done) this.attempts.delete(oldest.value);
        }
    }

    private post(attempt: Attempt, waitMs: number): void {
        if (this.isClosed) return;
        const run = () => this.send(attempt);
        if (waitMs <= 0) {
            this.queue.push(run);
            this.pump();
            return;
        }
        this.later++;
        setTimeout(() => {
            this.later--;
            if (this.isClosed) return;
            this.queue.push(run);
            this.pump();
        }, waitMs);
    }

    private pump(): void {
        while (this.active < this.concurrency) {
            const run = this.queue.shift();
            if (!run) return;
            this.active++;
            void run().finally(() => {
                this.active--;
                this.pump();
            });
        }
    }

    private async send(attempt: Attempt): Promise<void> {
        const started = nowMs();
        attempt.deliveredAt = started;
        const answer = await this.request(attempt);
        attempt.durationMs = nowMs() - started;
        attempt.status = answer.status;
        attempt.statusCode = answer.statusCode;
        attempt.responseHeaders = answer.headers;
        attempt.responseBody = answer.body;
        this.record(attempt);
    }

    private request(attempt: Attempt): Promise<Answer> {
        return new Promise((done) => {
            const url = new URL(this.app.webhookUrl ?? 'http://127.0.0.1:1');
            const isTls = url.protocol === 'https:';
            const failed = (status: string, statusCode: number) =>
                done({ status, statusCode, headers: {}, body: '' });
            const options = {
                method: 'POST',
                agent: isTls ? this.tlsAgent : this.agent,
                rejectUnauthorized: this.app.insecureSsl !== '1',
                headers: { ...attempt.headers, 'Content-Length': String(attempt.body.length) },
            };
            const request = (isTls ? https : http).request(url, options, (response) => {
                const parts: Buffer[] = [];
                response.on('data', (part: Buffer) => parts.push(part));
                response.on('end', () => {
                    clearTimeout(cut);
                    done({
                        statusCode: response.statusCode ?? 0,
                        status: statusText(response.statusCode ?? 0),
                        headers: response.headers as Json,
                        body: Buffer.concat(parts).toString('utf8').slice(0, 65536),
                    });
                });
            });
            const cut = setTimeout(() => {
                request.destroy();
                failed('timed out', 504);
            }, this.timeoutMs);
            request.on('error', () => {
                clearTimeout(cut);
                failed('failed to connect to host', 502);
            });
            request.end(attempt.body);
        });
    }
}

function statusText(code: number): string {
    if (code >= 200 && code < 300) return 'OK';
    return `Invalid HTTP Response: ${code}`;
}
