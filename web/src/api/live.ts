/*
 * One stream a tab (GET /api/v1/live). It says what changed; what is shown and concerned is asked again, once at once and then at most
 * once a second. Without a stream for ten seconds everything shown is asked again every five.
 */
import { useEffect, useSyncExternalStore } from 'react';
import { queries, type Concern, type Kind } from './queries.ts';

export interface Changed {
    kinds: Kind[];
    batches?: string[];
    repositories?: number[];
}
export type LiveNode = [
    position: number,
    state: string,
    reason: string | null,
    runId: string | null,
    attempt: number,
    startedMs: number | null,
    endedMs: number | null,
];
export interface LiveBatch {
    batchId: string;
    state: string;
    counts: Record<string, number>;
    hold: unknown;
    nodes: LiveNode[];
}
export type Connection = 'connecting' | 'live' | 'polling';

const pollAfter_ms = 10_000;
const poll_ms = 5_000;
const again_ms_max = 15_000;
const refetch_ms_min = 1_000;

export function isConcerned(concern: Concern | undefined, changed: Changed): boolean {
    if (!concern || !concern.on.some((kind) => changed.kinds.includes(kind))) return false;
    const batches = changed.batches ?? [];
    const repositories = changed.repositories ?? [];
    if (concern.batch !== undefined && batches.length > 0 && !batches.includes(concern.batch))
        return false;
    return (
        concern.repository === undefined ||
        repositories.length === 0 ||
        repositories.includes(concern.repository)
    );
}

export class Live {
    private source: EventSource | undefined;
    private watched = '';
    private lastId = '';
    private tries = 0;
    private timers: { again?: number; poll?: number; late?: number } = {};
    private askedAt = new Map<string, number>();
    private waiting = new Map<string, number>();
    private listeners = new Set<() => void>();
    private batchListeners = new Set<(batch: LiveBatch) => void>();
    private isOn = false;
    state: Connection = 'connecting';

    start(): void {
        if (this.isOn) return;
        this.isOn = true;
        this.lateUnless();
        this.open();
    }

    stop(): void {
        this.isOn = false;
        this.close();
        for (const timer of Object.values(this.timers)) window.clearTimeout(timer);
        this.timers = {};
    }

    /** The one batch whose nodes are told one by one; '' for none. */
    watch(batchId: string): void {
        if (this.watched === batchId) return;
        this.watched = batchId;
        if (this.isOn) {
            this.close();
            this.open();
        }
    }

    get batch(): string {
        return this.watched;
    }

    onBatch(listener: (batch: LiveBatch) => void): () => void {
        this.batchListeners.add(listener);
        return () => this.batchListeners.delete(listener);
    }

    onState = (listener: () => void): (() => void) => {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
    };

    private close(): void {
        this.source?.close();
        this.source = undefined;
        window.clearTimeout(this.timers.again);
    }

    private open(): void {
        const query = new URLSearchParams();
        if (this.watched !== '') query.set('batch', this.watched);
        if (this.lastId !== '') query.set('after', this.lastId);
        const source = new EventSource(`/api/v1/live?${query.toString()}`);
        this.source = source;
        const on = (name: string, take: (data: unknown) => void) =>
            source.addEventListener(name, (event: MessageEvent<string>) => {
                if (event.lastEventId !== '') this.lastId = event.lastEventId;
                take(event.data === '' ? {} : JSON.parse(event.data));
            });
        source.addEventListener('open', () => this.opened());
        source.addEventListener('error', () => this.lost());
        on('changed', (data) => this.changed(data as Changed));
        on('batch', (data) => {
            for (const listener of this.batchListeners) listener(data as LiveBatch);
        });
        on('resync', () => this.resync());
        on('bye', () => this.lost());
    }

    private opened(): void {
        this.tries = 0;
        window.clearTimeout(this.timers.late);
        window.clearInterval(this.timers.poll);
        this.timers.late = undefined;
        this.timers.poll = undefined;
        this.say('live');
    }

    /** The browser would come back by itself, but always after the same time, and never after a refusal. */
    private lost(): void {
        this.close();
        if (!this.isOn) return;
        this.lateUnless();
        if (this.state === 'live') this.say('connecting');
        const wait = Math.min(again_ms_max, 500 * 2 ** this.tries) * (0.5 + Math.random() / 2);
        this.tries += 1;
        this.timers.again = window.setTimeout(() => this.open(), wait);
    }

    private lateUnless(): void {
        if (this.timers.late !== undefined || this.timers.poll !== undefined) return;
        this.timers.late = window.setTimeout(() => {
            this.timers.late = undefined;
            this.say('polling');
            this.resync();
            this.timers.poll = window.setInterval(() => this.resync(), poll_ms);
        }, pollAfter_ms);
    }

    private say(state: Connection): void {
        if (this.state === state) return;
        this.state = state;
        for (const listener of this.listeners) listener();
    }

    /** What is shown is read again, all of it. */
    private resync(): void {
        void queries.invalidateQueries({ predicate: (query) => query.meta?.concern !== undefined });
    }

    private changed(changed: Changed): void {
        for (const query of queries.getQueryCache().getAll())
            if (isConcerned(query.meta?.concern, changed)) this.askAgain(query.queryHash);
    }

    private askAgain(hash: string): void {
        if (this.waiting.has(hash)) return;
        const ask = () => {
            this.waiting.delete(hash);
            this.askedAt.set(hash, Date.now());
            void queries.invalidateQueries({ predicate: (query) => query.queryHash === hash });
        };
        const wait = (this.askedAt.get(hash) ?? 0) + refetch_ms_min - Date.now();
        if (wait <= 0) ask();
        else this.waiting.set(hash, window.setTimeout(ask, wait));
    }
}

export const live = new Live();

export function useConnection(): Connection {
    return useSyncExternalStore(live.onState, () => live.state);
}

/** While the page is shown, the nodes of this batch are told one by one. */
export function useWatchedBatch(batchId: string, take: (batch: LiveBatch) => void): void {
    useEffect(() => {
        live.watch(batchId);
        const off = live.onBatch((batch) => {
            if (batch.batchId === batchId) take(batch);
        });
        return () => {
            off();
            if (live.batch === batchId) live.watch('');
        };
    }, [batchId, take]);
}
