/*
 * How pages read and order. Every read says which kinds of change concern it (`on`, the words of GET /api/v1/live) and, when it shows
 * one batch or one repository only, which; live.ts asks again exactly what is concerned.
 */
import type { Concern } from '../logic/stream.ts';
import {
    QueryCache,
    hashKey,
    QueryClient,
    useInfiniteQuery,
    useMutation,
    useQuery,
    type UseQueryResult,
} from '@tanstack/react-query';
import {
    ApiError,
    call,
    rememberCsrf,
    withQuery,
    type CallOrder,
    type Method,
    type Page,
    type Schemas,
} from './client.ts';

export type { Concern, Kind } from '../logic/stream.ts';

export type Query = Record<string, string | number | boolean | undefined | null>;

export interface Read extends Concern {
    path: string;
    query?: Query;
    /** False: not yet (something it needs is not known). */
    enabled?: boolean;
    /** Keeps what was shown before while a changed filter is read. */
    keeps?: boolean;
}

declare module '@tanstack/react-query' {
    interface Register {
        queryMeta: { concern?: Concern };
        defaultError: Error;
    }
}

export const queries = new QueryClient({
    // A session that ended while its page was open.
    queryCache: new QueryCache({
        onError: (error, query) => {
            if (
                error instanceof ApiError &&
                error.status === 401 &&
                query.queryHash !== hashKey(sessionKey)
            )
                void queries.invalidateQueries({ queryKey: sessionKey });
        },
    }),
    defaultOptions: {
        queries: {
            staleTime: 10_000,
            refetchOnWindowFocus: false,
            // What the server refuses it will refuse again; what it could not do it may do in a moment.
            retry: (count, error) =>
                count < 2 &&
                error instanceof ApiError &&
                (error.status === 0 || error.status >= 502),
            retryDelay: (count) => 500 * 2 ** count,
        },
    },
});

export function keyOf(read: Read): [string, Query] {
    return [read.path, read.query ?? {}];
}

export function useRead<T>(read: Read): UseQueryResult<T> {
    return useQuery<T>({
        queryKey: keyOf(read),
        queryFn: ({ signal }) => call<T>('GET', withQuery(read.path, read.query ?? {}), { signal }),
        meta: { concern: { on: read.on, batch: read.batch, repository: read.repository } },
        enabled: read.enabled ?? true,
        ...(read.keeps ? { placeholderData: (before: unknown) => before as never } : {}),
    });
}

export interface Pages<T> {
    items: T[];
    isPending: boolean;
    error: Error | null;
    hasMore: boolean;
    isMoreComing: boolean;
    more: () => void;
    again: () => void;
}

/** A list by cursor pages, newest first; `more` is what a table calls at its end. */
export function usePages<T>(read: Read, limit = 100): Pages<T> {
    const query = useInfiniteQuery({
        queryKey: [...keyOf(read), 'pages'],
        queryFn: ({ signal, pageParam }) =>
            call<Page<T>>(
                'GET',
                withQuery(read.path, { ...read.query, limit, cursor: pageParam }),
                {
                    signal,
                },
            ),
        initialPageParam: '',
        getNextPageParam: (page: Page<T>) => page.nextCursor ?? undefined,
        meta: { concern: { on: read.on, batch: read.batch, repository: read.repository } },
        enabled: read.enabled ?? true,
        ...(read.keeps === false ? {} : { placeholderData: (before: unknown) => before as never }),
    });
    const pages = query.data?.pages ?? [];
    return {
        items: pages.length === 1 ? pages[0]!.items : pages.flatMap((page) => page.items),
        isPending: query.isPending,
        error: query.error,
        hasMore: query.hasNextPage,
        isMoreComing: query.isFetchingNextPage,
        more: () => {
            if (query.hasNextPage && !query.isFetchingNextPage) void query.fetchNextPage();
        },
        again: () => void query.refetch(),
    };
}

export interface Order extends CallOrder {
    method: Method;
    path: string;
}

/** An order of a person. What it changes is told by the live stream; `after` is for what no stream tells. */
export function useOrder<T = unknown, V = void>(
    orderOf: (given: V) => Order,
    after?: (answer: T, given: V) => void,
) {
    return useMutation<T, Error, V>({
        mutationFn: (given) => {
            const { method, path, ...order } = orderOf(given);
            return call<T>(method, path, order);
        },
        ...(after ? { onSuccess: after } : {}),
    });
}

/* ---- who is signed in, and what they may ---- */

export type Session = Schemas['Me'];

export const sessionKey = ['session'];

export async function readSession(signal?: AbortSignal): Promise<Session> {
    const session = await call<Session>('GET', '/api/v1/session', signal ? { signal } : {}).catch(
        (error: unknown) => {
            if (import.meta.env.DEV && error instanceof ApiError && error.status === 404)
                return pretended;
            throw error;
        },
    );
    rememberCsrf(session.csrf ?? '');
    return session;
}

/** What an answer to signing in says is what GET /api/v1/session would say. */
export function rememberSession(session: Session): void {
    rememberCsrf(session.csrf ?? '');
    queries.setQueryData(sessionKey, session);
}

/** `./dev web` beside a server that knows no people. */
const pretended: Session = {
    person: null,
    token: { name: 'dev' },
    workspace: { id: '', name: 'Workspace' },
    workspaces: [],
    role: 'owner',
    csrf: '',
    rights: ['read', 'operate', 'admin'],
    expiresAt: null,
};

export function useSession(): Session {
    const { data } = useQuery({
        queryKey: sessionKey,
        queryFn: ({ signal }) => readSession(signal),
        staleTime: 5 * 60_000,
    });
    if (!data) throw new Error('a page that needs a session was shown without one');
    return data;
}

export interface Rights {
    read: boolean;
    operate: boolean;
    admin: boolean;
    why: string;
}
const noRights: Rights = { read: true, operate: false, admin: false, why: '' };

/** What may be done in one repository. Until it is known, nothing: no button is shown that would be refused. */
export function useRights(repositoryId: number | undefined): Rights {
    const { data } = useQuery<Rights>({
        queryKey: ['rights', repositoryId],
        queryFn: ({ signal }) =>
            call<Rights>('GET', `/api/v1/repositories/${repositoryId}/rights`, { signal }).catch(
                (error: unknown) => {
                    if (import.meta.env.DEV && error instanceof ApiError && error.status === 404)
                        return { ...noRights, operate: true, admin: true };
                    throw error;
                },
            ),
        enabled: repositoryId !== undefined,
        staleTime: 60_000,
    });
    return data ?? noRights;
}

/** Owners and admins of the workspace: settings, permissions, members, tokens. */
export function useIsAdmin(): boolean {
    return useSession().rights.includes('admin');
}
