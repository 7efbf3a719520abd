import { createHash } from 'node:crypto';

export type Json = Record<string, unknown>;

/** GitHub's times are whole seconds with a Z. */
export function iso(ms: number): string {
    return new Date(ms).toISOString().slice(0, 19) + 'Z';
}

export function isoOrNull(ms: number | null | undefined): string | null {
    return ms === null || ms === undefined ? null : iso(ms);
}

export function nodeId(kind: string, id: number | string): string {
    return kind + '_' + Buffer.from(String(id)).toString('base64url');
}

export function sha256Hex(text: string | Buffer): string {
    return createHash('sha256').update(text).digest('hex');
}

/** A small seeded generator (mulberry32): the same seed gives the same faults. */
export function rngOf(seed: number): () => number {
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
        mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
}

export function sleep(ms: number): Promise<void> {
    return new Promise((done) => setTimeout(done, ms));
}

const globs: Map<string, RegExp> = new Map();

/** `*` stands for anything, slashes too; everything else is itself. */
export function globMatches(pattern: string, text: string): boolean {
    let compiled = globs.get(pattern);
    if (!compiled) {
        const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
        compiled = new RegExp('^' + parts.join('.*') + '$', 'i');
        globs.set(pattern, compiled);
    }
    return compiled.test(text);
}

export function asString(value: unknown): string | undefined {
    return typeof value === 'string' ? value : undefined;
}

export function isObject(value: unknown): value is Json {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function uuidOf(bytes: Buffer): string {
    const hex = bytes.toString('hex');
    return [
        hex.slice(0, 8),
        hex.slice(8, 12),
        hex.slice(12, 16),
        hex.slice(16, 20),
        hex.slice(20, 32),
    ].join('-');
}

/** An answer in GitHub's error form; thrown by handlers, written by the server. */
export class HttpError extends Error {
    status: number;
    errors: Json[] | undefined;
    headers: Record<string, string>;

    constructor(
        status: number,
        message: string,
        errors?: Json[],
        headers?: Record<string, string>,
    ) {
        super(message);
        this.status = status;
        this.errors = errors;
        this.headers = headers ?? {};
    }
}

export function notFound(): HttpError {
    return new HttpError(404, 'Not Found');
}

export function invalid(
    message: string,
    resource?: string,
    field?: string,
    code = 'invalid',
): HttpError {
    const errors =
        resource === undefined ? undefined : [{ resource, field: field ?? 'base', code, message }];
    return new HttpError(422, message, errors);
}

/** The forge's clock; how far it is ahead of the machine's. */
export const clock = { aheadMs: 0 };
export const nowMs = (): number => Date.now() + clock.aheadMs;
