/* A listener of GET /api/v1/live: what it heard, event by event, in order. */
import { request, type ClientRequest, type IncomingMessage } from 'node:http';

export interface Told {
    name: string;
    id: string;
    data: any; // eslint-disable-line
}

export interface ListenOrder {
    token: string;
    batch?: string;
    /** Last-Event-ID. */
    after?: string;
    headers?: Record<string, string>;
}

export class Stream {
    readonly told: Told[] = [];
    status = 0;
    headers: IncomingMessage['headers'] = {};
    /** The last id, also of what had no data. */
    lastId = '';
    comments = 0;
    isOver = false;
    text = '';
    private rest = '';
    private waiting = new Set<() => void>();
    private out: ClientRequest;
    private answer: IncomingMessage | undefined;

    private constructor(out: ClientRequest) {
        this.out = out;
    }

    /** Resolves when the head has come; a refusal is one, too. */
    static open(url: string, order: ListenOrder): Promise<Stream> {
        const where = new URL(order.batch === undefined ? '/api/v1/live' : `/api/v1/live?batch=${encodeURIComponent(order.batch)}`, url);
        const headers: Record<string, string> = { ...order.headers };
        if (order.token !== '') headers['authorization'] = `Bearer ${order.token}`;
        if (order.after !== undefined) headers['last-event-id'] = order.after;
        return new Promise((done, failed) => {
            const out = request(where, { headers, agent: false });
            const stream = new Stream(out);
            out.on('error', (error) => {
                failed(error);
                stream.end();
            });
            out.on('response', (answer) => {
                stream.answer = answer;
                stream.status = answer.statusCode ?? 0;
                stream.headers = answer.headers;
                answer.setEncoding('utf8');
                answer.on('data', (text: string) => stream.take(text));
                answer.on('error', () => stream.end());
                answer.on('close', () => stream.end());
                done(stream);
            });
            out.end();
        });
    }

    private end(): void {
        this.isOver = true;
        for (const wake of this.waiting) wake();
    }

    private take(text: string): void {
        this.text += text;
        this.rest += text;
        for (let at = this.rest.indexOf('\n\n'); at >= 0; at = this.rest.indexOf('\n\n')) {
            this.event(this.rest.slice(0, at));
            this.rest = this.rest.slice(at + 2);
        }
        for (const wake of this.waiting) wake();
    }

    private event(block: string): void {
        const told: Told = { name: '', id: '', data: undefined };
        for (const line of block.split('\n')) {
            if (line.startsWith(':')) this.comments++;
            if (line.startsWith('event: ')) told.name = line.slice(7);
            if (line.startsWith('id: ')) told.id = this.lastId = line.slice(4);
            if (line.startsWith('data: ')) told.data = JSON.parse(line.slice(6));
        }
        if (told.data !== undefined) this.told.push(told);
    }

    /** Until what was heard is enough; fails with what was heard when it never is. */
    async until<T>(look: (stream: Stream) => T | undefined, patience_ms = 60_000): Promise<T> {
        for (const end = Date.now() + patience_ms; ;) {
            const found = look(this);
            if (found !== undefined) return found;
            if (Date.now() > end || this.isOver)
                throw new Error(`${this.isOver ? 'the stream is over' : 'nothing came'}; heard:\n${this.text.slice(-4000)}`);
            await new Promise<void>((done) => {
                const wake = () => {
                    clearTimeout(late);
                    this.waiting.delete(wake);
                    done();
                };
                const late = setTimeout(wake, Math.max(1, end - Date.now()));
                this.waiting.add(wake);
            });
        }
    }

    /** The first event from `from` on that this is true of. */
    heard(name: string, is: (data: any) => boolean = () => true, from = 0): Promise<Told> {
        return this.until(() => this.told.slice(from).find((one) => one.name === name && is(one.data)));
    }

    /** Until the other side has ended it. */
    async over(patience_ms = 60_000): Promise<void> {
        for (const end = Date.now() + patience_ms; !this.isOver && Date.now() < end;)
            await this.until((stream) => stream.isOver || undefined, end - Date.now()).catch(() => undefined);
        if (!this.isOver) throw new Error(`the stream goes on; heard:\n${this.text.slice(-4000)}`);
    }

    /** Reads no more, as one whose machine went to sleep. */
    sleep(): void {
        this.answer?.pause();
    }

    close(): void {
        this.out.destroy();
    }
}

/** What the nodes of a watched batch are, from all that was told. */
export function nodesOf(stream: Stream): Map<number, string> {
    const nodes = new Map<number, string>();
    for (const one of stream.told)
        if (one.name === 'batch') for (const [position, state] of one.data.nodes as [number, string][]) nodes.set(position, state);
    return nodes;
}
