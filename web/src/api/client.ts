/* One call of the API: the envelope taken off, errors as errors, the CSRF token on what changes something. */
import type { components, operations } from './schema.ts';

export type Schemas = components['schemas'];
type Operation = keyof operations;
type Json<A> = A extends { content: { 'application/json': infer B } } ? B : never;
type Inside<B> = B extends { data?: infer D } ? Exclude<D, undefined> : never;
/** What `data` of a successful answer is: Data<'listBatches'>. */
export type Data<O extends Operation> = operations[O] extends { responses: infer R }
    ? Inside<Json<R[keyof R & (200 | 201 | 202)]>>
    : never;

export interface Page<T> {
    items: T[];
    nextCursor: string | null;
}

export class ApiError extends Error {
    /** 0: there was no answer. */
    readonly status: number;
    readonly tag: string;
    readonly traceId: string;
    readonly validation: string[];
    readonly context: Record<string, unknown>;
    readonly retryAfter_s: number | null;

    constructor(
        message: string,
        status: number,
        more: Partial<Pick<ApiError, 'tag' | 'traceId' | 'validation' | 'context'>> = {},
        retryAfter_s: number | null = null,
    ) {
        super(message);
        this.status = status;
        this.tag = more.tag ?? '';
        this.traceId = more.traceId ?? '';
        this.validation = more.validation ?? [];
        this.context = more.context ?? {};
        this.retryAfter_s = retryAfter_s;
    }
}

let csrf = '';
/** What GET /api/v1/session said; without it the server refuses what changes something. */
export function rememberCsrf(token: string): void {
    csrf = token;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
export interface CallOrder {
    body?: unknown;
    signal?: AbortSignal;
    /** The same order again has no second effect. */
    key?: string;
}

interface Envelope {
    success: boolean;
    traceId?: string;
    data?: unknown;
    errorTag?: string;
    errorMessage?: string;
    context?: Record<string, unknown>;
}

export async function call<T>(method: Method, path: string, order: CallOrder = {}): Promise<T> {
    const headers: Record<string, string> = { accept: 'application/json' };
    if (order.body !== undefined) headers['content-type'] = 'application/json';
    if (order.key !== undefined) headers['idempotency-key'] = order.key;
    if (method !== 'GET' && csrf !== '') headers['x-signalbox-csrf'] = csrf;
    const init: RequestInit = { method, headers, credentials: 'same-origin' };
    if (order.body !== undefined) init.body = JSON.stringify(order.body);
    if (order.signal) init.signal = order.signal;
    let answer: Response;
    try {
        answer = await fetch(path, init);
    } catch (error) {
        if (order.signal?.aborted) throw error;
        throw new ApiError(
            'The server cannot be reached. This page tries again by itself; what you ordered was perhaps not received.',
            0,
        );
    }
    return opened<T>(answer);
}

async function opened<T>(answer: Response): Promise<T> {
    const envelope = (await answer.json().catch(() => undefined)) as Envelope | undefined;
    if (answer.ok && envelope?.success === true) return envelope.data as T;
    const retryAfter = Number(answer.headers.get('retry-after') ?? Number.NaN);
    throw new ApiError(
        envelope?.errorMessage ?? `The server answered with ${answer.status} and no explanation.`,
        answer.status,
        {
            tag: envelope?.errorTag ?? '',
            traceId: envelope?.traceId ?? answer.headers.get('x-request-id') ?? '',
            validation: validationOf(envelope?.data),
            context: envelope?.context ?? {},
        },
        Number.isFinite(retryAfter) ? retryAfter : null,
    );
}

function validationOf(data: unknown): string[] {
    if (typeof data !== 'object' || data === null || !('validationErrors' in data)) return [];
    const errors = (data as { validationErrors: unknown }).validationErrors;
    return Array.isArray(errors) ? errors.map(String) : [];
}

/** A path with its query; empty values are left out. */
export function withQuery(
    path: string,
    query: Record<string, string | number | boolean | undefined | null>,
): string {
    const entries = Object.entries(query).filter(
        ([, value]) => value !== undefined && value !== null && value !== '',
    );
    if (entries.length === 0) return path;
    return `${path}?${new URLSearchParams(entries.map(([name, value]) => [name, String(value)])).toString()}`;
}
