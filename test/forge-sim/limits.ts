import type { Fault } from './faults.ts';

export interface Enforced {
    points?: number;
    concurrent?: number;
    content?: number;
    contentHour?: number;
    /** how long the minute of `points` and `content` is; shorter in benchmarks */
    windowMs?: number;
}

interface Bucket {
    used: number;
    resetAt: number;
    limitedUntil: number;
    concurrent: number;
    concurrentMax: number;
    points: { at: number; cost: number }[];
    content: number[];
}

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
    graceMs = 50;
    private buckets: Map<string, Bucket> = new Map();

    constructor(coreLimit: number) {
        this.coreLimit = coreLimit;
    }

    bucket(key: string, nowMs: number): Bucket {
        let bucket = this.buckets.get(key);
        if (!bucket) {
            bucket = {
                used: 0,
                resetAt: nowMs + 3600_000,
                limitedUntil: 0,
                concurrent: 0,
                concurrentMax: 0,
                points: [],
                content: [],
            };
            this.buckets.set(key, bucket);
        }
        if (nowMs >= bucket.resetAt) {
            bucket.used = 0;
            bucket.resetAt = nowMs + 3600_000;
        }
        return bucket;
    }

    headers(key: string, nowMs: number): Record<string, string> {
        const bucket = this.bucket(key, nowMs);
        return {
            'x-ratelimit-limit': String(this.coreLimit),
            'x-ratelimit-remaining': String(Math.max(0, this.coreLimit - bucket.used)),
            'x-ratelimit-used': String(Math.min(this.coreLimit, bucket.used)),
            'x-ratelimit-reset': String(Math.ceil(bucket.resetAt / 1000)),
            'x-ratelimit-resource': 'core',
        };
    }

    isLimited(key: string, nowMs: number): boolean {
        const bucket = this.bucket(key, nowMs);
        return bucket.limitedUntil > nowMs && this.refusedAt(bucket) + this.graceMs < nowMs;
    }

    /** Counts the call, or says why it is refused. */
    enter(
        key: string,
        isMutation: boolean,
        isContent: boolean,
        nowMs: number,
    ): Refusal | undefined {
        const bucket = this.bucket(key, nowMs);
        bucket.concurrent++;
        bucket.concurrentMax = Math.max(bucket.concurrentMax, bucket.concurrent);
        const refusal = this.refusalOf(bucket, isContent, nowMs);
        if (refusal) return refusal;
        bucket.used++;
        if (this.enforced.points !== undefined)
            bucket.points.push({ at: nowMs, cost: isMutation ? 5 : 1 });
        if (isContent) bucket.content.push(nowMs);
        return undefined;
    }

    leave(key: string, nowMs: number, isFree: boolean): void {
        const bucket = this.bucket(key, nowMs);
        bucket.concurrent--;
        if (isFree && bucket.used > 0) bucket.used--;
    }

    /** A limit the scenario ordered, whatever the counters say. */
    refuseByFault(key: string, fault: Fault, nowMs: number): Refusal {
        if (fault.kind === 'primary') {
            const bucket = this.bucket(key, nowMs);
            bucket.used = this.coreLimit;
            bucket.resetAt = nowMs + (fault.seconds ?? 60) * 1000;
            return this.primary(bucket, nowMs);
        }
        const seconds = fault.seconds ?? 60;
        const hint = fault.hint ?? 'retry-after';
        const headers: Record<string, string> = {};
        if (hint === 'retry-after') headers['retry-after'] = String(seconds);
        if (hint === 'reset') {
            headers['x-ratelimit-remaining'] = '0';
            headers['x-ratelimit-reset'] = String(Math.ceil(nowMs / 1000) + seconds);
        }
        const waitMs = (hint === 'none' ? 60 : seconds) * 1000;
        this.refuse(this.bucket(key, nowMs), nowMs, nowMs + waitMs);
        return { status: fault.status ?? 403, message: secondary_message, headers };
    }

    forget(key?: string): void {
        if (key === undefined) this.buckets.clear();
        else this.buckets.delete(key);
    }

    maxConcurrent(): number {
        return Math.max(0, ...[...this.buckets.values()].map((bucket) => bucket.concurrentMax));
    }

    private refusedSince: WeakMap<Bucket, number> = new WeakMap();

    private refusedAt(bucket: Bucket): number {
        return this.refusedSince.get(bucket) ?? 0;
    }

    private refuse(bucket: Bucket, nowMs: number, untilMs: number): void {
        if (bucket.limitedUntil <= nowMs) this.refusedSince.set(bucket, nowMs);
        bucket.limitedUntil = Math.max(bucket.limitedUntil, untilMs);
    }

    private primary(bucket: Bucket, nowMs: number): Refusal {
        this.refuse(bucket, nowMs, bucket.resetAt);
        return {
            status: 403,
            message: 'API rate limit exceeded for installation.',
            headers: {
                'x-ratelimit-limit': String(this.coreLimit),
                'x-ratelimit-remaining': '0',
                'x-ratelimit-used': String(this.coreLimit),
                'x-ratelimit-reset': String(Math.ceil(bucket.resetAt / 1000)),
            },
        };
    }

    private secondary(bucket: Bucket, message: string, waitMs: number, nowMs: number): Refusal {
        this.refuse(bucket, nowMs, nowMs + waitMs);
        return {
            status: 403,
            message,
            headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) },
        };
    }

    private refusalOf(bucket: Bucket, isContent: boolean, nowMs: number): Refusal | undefined {
        if (bucket.used >= this.coreLimit) return this.primary(bucket, nowMs);
        const windowMs = this.enforced.windowMs ?? 60_000;
        while (bucket.points.length > 0 && (bucket.points[0]?.at ?? 0) <= nowMs - windowMs)
            bucket.points.shift();
        while (bucket.content.length > 0 && (bucket.content[0] ?? 0) <= nowMs - 3600_000)
            bucket.content.shift();
        const { points, concurrent, content, contentHour } = this.enforced;
        if (concurrent !== undefined && bucket.concurrent > concurrent) {
            return this.secondary(bucket, secondary_message, 1000, nowMs);
        }
        if (
            points !== undefined &&
            bucket.points.reduce((sum, one) => sum + one.cost, 0) >= points
        ) {
            return this.secondary(
                bucket,
                secondary_message,
                waitOf(bucket.points[0]?.at, nowMs, windowMs),
                nowMs,
            );
        }
        const recent = bucket.content.filter((at) => at > nowMs - windowMs);
        if (isContent && content !== undefined && recent.length >= content) {
            return this.secondary(
                bucket,
                content_message,
                waitOf(recent[0], nowMs, windowMs),
                nowMs,
            );
        }
        if (isContent && contentHour !== undefined && bucket.content.length >= contentHour) {
            return this.secondary(bucket, content_message, 60_000, nowMs);
        }
        return undefined;
    }
}

function waitOf(oldestMs: number | undefined, nowMs: number, windowMs: number): number {
    return Math.max(Math.min(1000, windowMs), (oldestMs ?? nowMs) + windowMs - nowMs);
}
