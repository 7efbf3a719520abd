import type { Fault } from './faults.ts';

export interface Enforced {
    points?: number;
    concurrent?: number;
    content?: number;
    contentHour?: number;
    /** how long the minute of `points` and `content` is (their hour is sixty of it); shorter in benchmarks */
    windowMs?: number;
    /** which header of a refusal tells when to come back */
    hint?: Hint;
}

export type Hint = 'retry-after' | 'reset' | 'none';

/** What one installation may spend, instead of the limit of all. Times are from now. */
export interface Budget {
    limit?: number;
    remaining?: number;
    reset_ms?: number;
    /** how long the windows after that one are */
    window_ms?: number;
}

/** Numbers that GitHub should never send: `backwards` gives spent calls back and ends the window earlier. */
export type Odd = 'missing' | 'negative' | 'absurd' | 'text' | 'past' | 'far' | 'backwards';

/** One window of the primary limit, for the verdict. Reading the quota is free and no call. */
export interface Window {
    opened_ms: number;
    closes_ms: number;
    limit: number;
    remaining_first: number;
    remaining_lowest: number;
    calls: number;
    dispatches: number;
    /** null: there was no dispatch */
    remaining_lowest_after_dispatch: number | null;
    /** calls that came when nothing remained */
    overdrawn: number;
}

interface Bucket {
    limit: number | undefined;
    windowMs: number;
    used: number;
    resetAt: number;
    limitedUntil: number;
    /** when the refusal had been answered; before, nobody could know; 0: not yet */
    toldAt: number;
    whileLimited: number;
    refused: { primary: number; secondary: number };
    concurrent: number;
    concurrentMax: number;
    points: { at: number; cost: number }[];
    pointsSum: number;
    pointsMax: number;
    content: number[];
    contentMax: number;
    contentHourMax: number;
    windows: Window[];
}

export interface CallSeen {
    at_ms: number;
    caller: string;
    route: string;
    remaining: number;
    refused: boolean;
    while_limited: boolean;
}

const hour_ms = 3600_000;
const calls_kept = 20_000;

export interface Refusal {
    status: number;
    message: string;
    headers: Record<string, string>;
}

export const secondary_message =
    'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.';
const content_message =
    'You have exceeded a secondary rate limit and have been temporarily blocked from content creation. Please retry your request again later.';

/** Primary and secondary limits of one caller (an installation, or the App itself). */
export class Limits {
    coreLimit: number;
    enforced: Enforced = {};
    /** Calls that arrive this soon after a refusal were on their way already. */
    graceMs = 1000;
    calls: CallSeen[] = [];
    private buckets: Map<string, Bucket> = new Map();

    constructor(coreLimit: number) {
        this.coreLimit = coreLimit;
    }

    bucket(key: string, nowMs: number): Bucket {
        let bucket = this.buckets.get(key);
        if (!bucket) {
            bucket = {
                limit: undefined,
                windowMs: hour_ms,
                used: 0,
                resetAt: nowMs + hour_ms,
                limitedUntil: 0,
                toldAt: 0,
                whileLimited: 0,
                refused: { primary: 0, secondary: 0 },
                concurrent: 0,
                concurrentMax: 0,
                points: [],
                pointsSum: 0,
                pointsMax: 0,
                content: [],
                contentMax: 0,
                contentHourMax: 0,
                windows: [],
            };
            this.buckets.set(key, bucket);
            this.windowOpen(bucket, nowMs);
        }
        if (nowMs >= bucket.resetAt) {
            bucket.used = 0;
            bucket.resetAt = nowMs + bucket.windowMs;
            this.windowOpen(bucket, nowMs);
        }
        return bucket;
    }

    budgetSet(key: string, budget: Budget, nowMs: number): void {
        const bucket = this.bucket(key, nowMs);
        if (budget.limit !== undefined) bucket.limit = budget.limit;
        if (budget.remaining !== undefined) bucket.used = this.limitOf(bucket) - budget.remaining;
        if (budget.window_ms !== undefined) bucket.windowMs = budget.window_ms;
        if (budget.reset_ms !== undefined) bucket.resetAt = nowMs + budget.reset_ms;
        this.windowOpen(bucket, nowMs);
    }

    headers(key: string, nowMs: number): Record<string, string> {
        const bucket = this.bucket(key, nowMs);
        return {
            'x-ratelimit-limit': String(this.limitOf(bucket)),
            'x-ratelimit-remaining': String(this.remainingOf(bucket)),
            'x-ratelimit-used': String(Math.min(this.limitOf(bucket), bucket.used)),
            'x-ratelimit-reset': String(Math.ceil(bucket.resetAt / 1000)),
            'x-ratelimit-resource': 'core',
        };
    }

    isLimited(key: string, nowMs: number): boolean {
        const bucket = this.bucket(key, nowMs);
        return (
            bucket.limitedUntil > nowMs && bucket.toldAt > 0 && bucket.toldAt + this.graceMs < nowMs
        );
    }

    /** A refusal has been answered: from now on the caller knows. */
    told(key: string, nowMs: number): void {
        const bucket = this.bucket(key, nowMs);
        if (bucket.toldAt === 0) bucket.toldAt = nowMs;
    }

    /** Counts the call, or says why it is refused. */
    enter(
        key: string,
        route: string,
        isMutation: boolean,
        isContent: boolean,
        nowMs: number,
    ): Refusal | undefined {
        const bucket = this.bucket(key, nowMs);
        const isLate = this.isLimited(key, nowMs);
        if (isLate) bucket.whileLimited++;
        bucket.concurrent++;
        bucket.concurrentMax = Math.max(bucket.concurrentMax, bucket.concurrent);
        const refusal = this.refusalOf(bucket, isContent, nowMs);
        if (!refusal)
            this.spend(bucket, route.endsWith('/dispatches'), isMutation, isContent, nowMs);
        this.calls.push({
            at_ms: nowMs,
            caller: key,
            route,
            remaining: this.remainingOf(bucket),
            refused: refusal !== undefined,
            while_limited: isLate,
        });
        if (this.calls.length > calls_kept) this.calls.splice(0, calls_kept / 2);
        return refusal;
    }

    leave(key: string, nowMs: number, isFree: boolean): void {
        const bucket = this.bucket(key, nowMs);
        bucket.concurrent--;
        if (isFree && bucket.used > 0) bucket.used--;
    }

    private spend(
        bucket: Bucket,
        isDispatch: boolean,
        isMutation: boolean,
        isContent: boolean,
        nowMs: number,
    ): void {
        const cost = isMutation ? 5 : 1;
        bucket.used++;
        bucket.points.push({ at: nowMs, cost });
        bucket.pointsSum += cost;
        if (isContent) bucket.content.push(nowMs);
        this.forgetOld(bucket, nowMs);
        bucket.pointsMax = Math.max(bucket.pointsMax, bucket.pointsSum);
        bucket.contentMax = Math.max(bucket.contentMax, this.contentSince(bucket, nowMs).length);
        bucket.contentHourMax = Math.max(bucket.contentHourMax, bucket.content.length);
        const window = bucket.windows.at(-1);
        if (!window) return;
        const remaining = this.remainingOf(bucket);
        window.calls++;
        window.remaining_lowest = Math.min(window.remaining_lowest, remaining);
        if (!isDispatch) return;
        window.dispatches++;
        window.remaining_lowest_after_dispatch = Math.min(
            window.remaining_lowest_after_dispatch ?? remaining,
            remaining,
        );
    }

    private windowOpen(bucket: Bucket, nowMs: number): void {
        const remaining = this.remainingOf(bucket);
        bucket.windows.push({
            opened_ms: nowMs,
            closes_ms: bucket.resetAt,
            limit: this.limitOf(bucket),
            remaining_first: remaining,
            remaining_lowest: remaining,
            calls: 0,
            dispatches: 0,
            remaining_lowest_after_dispatch: null,
            overdrawn: 0,
        });
    }

    private limitOf(bucket: Bucket): number {
        return bucket.limit ?? this.coreLimit;
    }

    private remainingOf(bucket: Bucket): number {
        return Math.max(0, this.limitOf(bucket) - bucket.used);
    }

    /** A limit the scenario ordered, whatever the counters say. */
    refuseByFault(key: string, fault: Fault, nowMs: number): Refusal {
        if (fault.kind === 'primary') {
            const bucket = this.bucket(key, nowMs);
            bucket.used = this.limitOf(bucket);
            bucket.resetAt = nowMs + (fault.seconds ?? 60) * 1000;
            return this.primary(bucket, nowMs);
        }
        const seconds = fault.seconds ?? 60;
        const { headers, waitMs } = hinted(fault.hint ?? 'retry-after', seconds * 1000, nowMs);
        const bucket = this.bucket(key, nowMs);
        bucket.refused.secondary++;
        this.refuse(bucket, nowMs, nowMs + waitMs);
        return { status: fault.status ?? 403, message: secondary_message, headers };
    }

    forget(): void {
        this.buckets.clear();
        this.calls = [];
    }

    maxConcurrent(): number {
        return Math.max(0, ...[...this.buckets.values()].map((bucket) => bucket.concurrentMax));
    }

    /** Everything that was counted, a caller each. */
    verdict(nowMs: number): Record<string, unknown> {
        const of = (bucket: Bucket) => ({
            limit: this.limitOf(bucket),
            remaining: this.remainingOf(bucket),
            reset_at_ms: bucket.resetAt,
            limited_until_ms: bucket.limitedUntil > nowMs ? bucket.limitedUntil : null,
            while_limited: bucket.whileLimited,
            refused: bucket.refused,
            overdrawn: bucket.windows.reduce((sum, one) => sum + one.overdrawn, 0),
            concurrent_max: bucket.concurrentMax,
            points_max: bucket.pointsMax,
            content_max: bucket.contentMax,
            content_hour_max: bucket.contentHourMax,
            windows: bucket.windows,
        });
        return Object.fromEntries([...this.buckets].map(([key, bucket]) => [key, of(bucket)]));
    }

    private refuse(bucket: Bucket, nowMs: number, untilMs: number): void {
        if (bucket.limitedUntil <= nowMs) bucket.toldAt = 0;
        bucket.limitedUntil = Math.max(bucket.limitedUntil, untilMs);
    }

    private primary(bucket: Bucket, nowMs: number): Refusal {
        bucket.refused.primary++;
        this.refuse(bucket, nowMs, bucket.resetAt);
        return {
            status: 403,
            message: 'API rate limit exceeded for installation.',
            headers: {
                'x-ratelimit-limit': String(this.limitOf(bucket)),
                'x-ratelimit-remaining': '0',
                'x-ratelimit-used': String(this.limitOf(bucket)),
                'x-ratelimit-reset': String(Math.ceil(bucket.resetAt / 1000)),
            },
        };
    }

    private secondary(bucket: Bucket, message: string, waitMs: number, nowMs: number): Refusal {
        const hint = hinted(this.enforced.hint ?? 'retry-after', waitMs, nowMs);
        bucket.refused.secondary++;
        this.refuse(bucket, nowMs, nowMs + hint.waitMs);
        return { status: 403, message, headers: hint.headers };
    }

    private forgetOld(bucket: Bucket, nowMs: number): void {
        const windowMs = this.enforced.windowMs ?? 60_000;
        while (bucket.points.length > 0 && (bucket.points[0]?.at ?? 0) <= nowMs - windowMs)
            bucket.pointsSum -= bucket.points.shift()?.cost ?? 0;
        while (bucket.content.length > 0 && (bucket.content[0] ?? 0) <= nowMs - windowMs * 60)
            bucket.content.shift();
    }

    private contentSince(bucket: Bucket, nowMs: number): number[] {
        return bucket.content.filter((at) => at > nowMs - (this.enforced.windowMs ?? 60_000));
    }

    private refusalOf(bucket: Bucket, isContent: boolean, nowMs: number): Refusal | undefined {
        if (bucket.used >= this.limitOf(bucket)) {
            const window = bucket.windows.at(-1);
            if (window) window.overdrawn++;
            return this.primary(bucket, nowMs);
        }
        const windowMs = this.enforced.windowMs ?? 60_000;
        this.forgetOld(bucket, nowMs);
        const { points, concurrent, content, contentHour } = this.enforced;
        if (concurrent !== undefined && bucket.concurrent > concurrent) {
            return this.secondary(bucket, secondary_message, 1000, nowMs);
        }
        if (points !== undefined && bucket.pointsSum >= points) {
            return this.secondary(
                bucket,
                secondary_message,
                waitOf(bucket.points[0]?.at, nowMs, windowMs),
                nowMs,
            );
        }
        const recent = this.contentSince(bucket, nowMs);
        if (isContent && content !== undefined && recent.length >= content) {
            return this.secondary(
                bucket,
                content_message,
                waitOf(recent[0], nowMs, windowMs),
                nowMs,
            );
        }
        if (isContent && contentHour !== undefined && bucket.content.length >= contentHour) {
            return this.secondary(bucket, content_message, windowMs, nowMs);
        }
        return undefined;
    }
}

function waitOf(oldestMs: number | undefined, nowMs: number, windowMs: number): number {
    return Math.max(Math.min(1000, windowMs), (oldestMs ?? nowMs) + windowMs - nowMs);
}

/** How a secondary limit tells when to come back; without a word a minute is meant. */
function hinted(
    hint: Hint,
    waitMs: number,
    nowMs: number,
): { headers: Record<string, string>; waitMs: number } {
    if (hint === 'none') return { headers: {}, waitMs: 60_000 };
    if (hint === 'retry-after')
        return { headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) }, waitMs };
    const headers = {
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': String(Math.ceil((nowMs + waitMs) / 1000)),
    };
    return { headers, waitMs };
}

/** The same headers, told by a forge that has lost its mind. */
export function oddHeaders(
    headers: Record<string, string>,
    odd: Odd,
    nowMs: number,
): Record<string, string> {
    const names = ['limit', 'remaining', 'used', 'reset'];
    const all = (value: string) =>
        Object.fromEntries(names.map((name) => [`x-ratelimit-${name}`, value]));
    const reset = (seconds: number) => ({
        ...headers,
        'x-ratelimit-reset': String(Math.floor(seconds)),
    });
    const seconds = nowMs / 1000;
    switch (odd) {
        case 'missing':
            return {};
        case 'negative':
            return { ...headers, ...all('-1') };
        case 'absurd':
            return { ...headers, ...all(String(2n ** 60n)) };
        case 'text':
            return { ...headers, ...all('NaN') };
        case 'past':
            return reset(seconds - 7200);
        case 'far':
            return reset(seconds + 365 * 86_400);
        case 'backwards':
            return {
                ...reset(Number(headers['x-ratelimit-reset']) - 600),
                'x-ratelimit-remaining': headers['x-ratelimit-limit'] ?? '',
            };
    }
}
