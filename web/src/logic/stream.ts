/*
 * The life of the one stream that a tab has (GET /api/v1/live): resumed where it broke off, tried again after ever longer waits, and
 * replaced by asking every few seconds when it cannot be had. It touches neither page nor network itself: both are given.
 */
export const kinds = [
    'batches',
    'runs',
    'locks',
    'uploads',
    'facts',
    'audit',
    'instances',
    'repositories',
    'actions',
    'budget',
    'members',
] as const;
export type Kind = (typeof kinds)[number];

/** What a read shows: kinds of things, and perhaps only those of one batch or one repository. */
export interface Concern {
    on: readonly Kind[];
    batch?: string | undefined;
    repository?: number | undefined;
}
export interface Changed {
    kinds: readonly Kind[];
    batches?: readonly string[];
    repositories?: readonly number[];
}

/** A change that names no batches (or repositories) may be of any. */
export function isConcerned(concern: Concern | undefined, changed: Changed): boolean {
    if (!concern || !concern.on.some((kind) => changed.kinds.includes(kind))) return false;
    const isOf = <T>(one: T | undefined, told: readonly T[] = []) =>
        one === undefined || told.length === 0 || told.includes(one);
    return isOf(concern.batch, changed.batches) && isOf(concern.repository, changed.repositories);
}

export type Connection = 'connecting' | 'live' | 'polling';

/** As much of an EventSource as is needed here. */
export interface Source {
    addEventListener(
        name: string,
        take: (event: { data?: string; lastEventId?: string }) => void,
    ): void;
    close(): void;
}

export interface StreamWorld {
    connect: (url: string) => Source;
    /** Everything that is shown is read again. */
    resync: () => void;
    changed: (changed: Changed) => void;
    batch: (news: unknown) => void;
    /** From 0 to 1; so that a thousand tabs do not come back at the same moment. */
    random: () => number;
}

export const pollAfter_ms = 10_000;
export const poll_ms = 5_000;
export const again_ms_min = 500;
export const again_ms_max = 15_000;

type Timer = ReturnType<typeof setTimeout>;

export class Stream {
    private world: StreamWorld;
    private source: Source | undefined;
    private watched = '';
    private lastId = '';
    private tries = 0;
    private again: Timer | undefined;
    private late: Timer | undefined;
    private poll: Timer | undefined;
    private listeners = new Set<() => void>();
    private isOn = false;
    state: Connection = 'connecting';

    constructor(world: StreamWorld) {
        this.world = world;
    }

    start(): void {
        if (this.isOn) return;
        this.isOn = true;
        this.expect();
        this.open();
    }

    stop(): void {
        this.isOn = false;
        this.close();
        clearTimeout(this.late);
        clearInterval(this.poll);
        this.late = undefined;
        this.poll = undefined;
        this.say('connecting');
    }

    /** The one batch whose nodes are told one by one; '' for none. */
    watch(batchId: string): void {
        if (this.watched === batchId) return;
        this.watched = batchId;
        if (!this.isOn) return;
        this.close();
        this.expect();
        this.open();
    }

    get batch(): string {
        return this.watched;
    }

    readonly onState = (listener: () => void): (() => void) => {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
    };

    private close(): void {
        this.source?.close();
        this.source = undefined;
        clearTimeout(this.again);
    }

    private open(): void {
        const query = new URLSearchParams();
        if (this.watched !== '') query.set('batch', this.watched);
        if (this.lastId !== '') query.set('after', this.lastId);
        const words = query.toString();
        const source = this.world.connect(words === '' ? '/api/v1/live' : `/api/v1/live?${words}`);
        this.source = source;
        const on = (name: string, take: (data: unknown) => void) =>
            source.addEventListener(name, (event) => {
                if (this.source !== source) return;
                if (event.lastEventId) this.lastId = event.lastEventId;
                take(event.data ? JSON.parse(event.data) : undefined);
            });
        const isResumed = this.lastId !== '';
        on('open', () => {
            this.opened();
            // What was read before the stream stood may be old already, and nobody will tell.
            if (!isResumed) this.world.resync();
        });
        on('error', () => this.lost());
        on('changed', (data) => this.world.changed(data as Changed));
        on('batch', (data) => this.world.batch(data));
        on('resync', () => this.world.resync());
        on('bye', () => this.lost());
    }

    private opened(): void {
        this.tries = 0;
        clearTimeout(this.late);
        clearInterval(this.poll);
        this.late = undefined;
        this.poll = undefined;
        this.say('live');
    }

    /** A browser would come back by itself, but always after the same time, and never after a refusal. */
    private lost(): void {
        this.close();
        if (!this.isOn) return;
        this.expect();
        if (this.state === 'live') this.say('connecting');
        const wait = Math.min(again_ms_max, again_ms_min * 2 ** this.tries);
        this.tries += 1;
        this.again = setTimeout(() => this.open(), wait * (0.5 + this.world.random() / 2));
    }

    /** From now on there should be a stream soon; otherwise we ask. */
    private expect(): void {
        if (this.late !== undefined || this.poll !== undefined) return;
        this.late = setTimeout(() => {
            this.late = undefined;
            this.say('polling');
            this.world.resync();
            this.poll = setInterval(() => this.world.resync(), poll_ms);
        }, pollAfter_ms);
    }

    private say(state: Connection): void {
        if (this.state === state) return;
        this.state = state;
        for (const listener of this.listeners) listener();
    }
}

/** The first of many at once, the rest together when the pause is over: no more often than that for each key. */
export class Pace {
    private pause_ms: number;
    private act: (key: string) => void;
    private ends = new Map<string, Timer>();
    private again = new Set<string>();

    constructor(pause_ms: number, act: (key: string) => void) {
        this.pause_ms = pause_ms;
        this.act = act;
    }

    ask(key: string): void {
        if (this.ends.has(key)) {
            this.again.add(key);
            return;
        }
        const end = () => {
            this.ends.delete(key);
            if (this.again.delete(key)) this.ask(key);
        };
        this.ends.set(key, setTimeout(end, this.pause_ms));
        this.act(key);
    }
}
