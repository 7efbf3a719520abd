/* The public API, as far as the demo reads it (docs/openapi.yaml). */

export interface Node {
    position: number;
    stack: string;
    component: string;
    workflow: string;
    state: string;
    attempt: number;
    level: number;
    waitsFor: number[];
    errorText: string;
}
export interface Batch {
    id: string;
    activity: string;
    headSha: string;
    state: string;
    verdict: string;
    error: string;
    nodeCount: number;
}
export interface Run {
    id: string;
    batchId: string;
    position: number;
    attempt: number;
    state: string;
    startedAt: string | null;
    endedAt: string | null;
}
interface Page<T> {
    items: T[];
    nextCursor: string | null;
}

export class ApiError extends Error {
    status: number;
    constructor(status: number, text: string) {
        super(text);
        this.status = status;
    }
}

const patience_ms = 60_000;

export class Api {
    readonly url: string;
    readonly token: string;

    constructor(url: string, token: string) {
        this.url = url;
        this.token = token;
    }

    /** 503 and a refused connection mean that nothing happened: like any good client, we try again for a while. */
    async call<T>(method: string, path: string, body?: unknown): Promise<T> {
        const headers: Record<string, string> = { 'content-type': 'application/json' };
        if (this.token) headers['authorization'] = `Bearer ${this.token}`;
        for (const end = Date.now() + patience_ms; ; await new Promise((done) => setTimeout(done, 100))) {
            const answer = await fetch(this.url + path, {
                method,
                headers,
                body: body === undefined ? undefined : JSON.stringify(body),
            }).catch((error: Error) => error);
            const isOver = Date.now() > end;
            if (answer instanceof Error) {
                if (isOver) throw answer;
                continue;
            }
            if (answer.status === 503 && !isOver) continue;
            const text = await answer.text();
            if (!answer.ok) throw new ApiError(answer.status, `${method} ${path} → ${answer.status} ${text}`);
            return (JSON.parse(text) as { data: T }).data;
        }
    }

    async all<T>(path: string): Promise<T[]> {
        const items: T[] = [];
        let cursor: string | null = null;
        do {
            const join: string = path.includes('?') ? '&' : '?';
            const more: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
            const page: Page<T> = await this.call<Page<T>>('GET', `${path}${join}limit=500${more}`);
            items.push(...page.items);
            cursor = page.nextCursor;
        } while (cursor !== null);
        return items;
    }
}
