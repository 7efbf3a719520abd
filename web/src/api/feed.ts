/*
 * A feed: a list of many pages, newest first, that stays where it is while somebody reads it (logic/feed.ts). The live stream makes only
 * its newest page be read again, and the pages that are in sight; never all that was scrolled through.
 */
import {
    useInfiniteQuery,
    useQuery,
    useQueryClient,
    type InfiniteData,
} from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { flatten, freshen, prepend, type Flat, type Page } from '../logic/feed.ts';
import { call, withQuery } from './client.ts';
import { keyOf, type Read } from './queries.ts';

export interface Feed<T> {
    items: readonly T[];
    isPending: boolean;
    error: Error | null;
    hasMore: boolean;
    isMoreComing: boolean;
    more: () => void;
    again: () => void;
    /** Rows that came since, above the first one shown. */
    newer: number;
    /** More came than one page holds: showing them begins the list anew. */
    isFar: boolean;
    /** Rows that the filter keeps out by now; they stay in their places until the list is read anew. */
    gone: ReadonlySet<string | number>;
    show: () => void;
    /** Rises with each `show`: the list goes to its top. */
    turn: number;
    /** The page tells what is in sight, and whether new rows may come in at the top by themselves. */
    look: (first: number, last: number, isAtTop: boolean) => void;
}

type Pages<T> = InfiniteData<Page<T>, string>;
const none: ReadonlySet<string | number> = new Set();

export function useFeed<T extends { id: string | number }>(read: Read, limit = 100): Feed<T> {
    const client = useQueryClient();
    const enabled = read.enabled ?? true;
    const pagesKey = useMemo(
        () => [...keyOf(read), 'feed'],
        [read.path, JSON.stringify(read.query)],
    );
    // The first page is soon there; whoever goes on wants many.
    const ask = (cursor: string, signal?: AbortSignal) =>
        call<Page<T>>(
            'GET',
            withQuery(read.path, {
                ...read.query,
                limit: cursor === '' ? limit : limit * 5,
                cursor,
            }),
            signal ? { signal } : {},
        );
    const pages = useInfiniteQuery({
        queryKey: pagesKey,
        queryFn: ({ signal, pageParam }) => ask(pageParam, signal),
        initialPageParam: '',
        getNextPageParam: (page: Page<T>) => page.nextCursor ?? undefined,
        staleTime: Infinity,
        gcTime: 0,
        refetchOnReconnect: false,
        enabled,
        placeholderData: (before: Pages<T> | undefined) => before,
    });
    const loaded = pages.isPlaceholderData ? undefined : pages.data;
    const head = useQuery({
        queryKey: [...keyOf(read), 'head'],
        queryFn: ({ signal }) => ask('', signal),
        meta: { concern: { on: read.on, batch: read.batch, repository: read.repository } },
        staleTime: Infinity,
        gcTime: 0,
        enabled: enabled && loaded !== undefined,
        ...(loaded ? { initialData: () => loaded.pages[0] as Page<T> } : {}),
    });

    const sight = useRef({ first: 0, last: 0, isAtTop: true });
    const [waiting, setWaiting] = useState<{ newer: T[]; gap: boolean }>({ newer: [], gap: false });
    const [gone, setGone] = useState(none);
    const [turn, setTurn] = useState(0);
    const change = useCallback(
        (to: (old: Pages<T>) => Pages<T>) =>
            client.setQueryData<Pages<T>>(pagesKey, (old) => (old ? to(old) : old)),
        [client, pagesKey],
    );
    const take = useCallback(
        (newer: T[]) => change((old) => ({ ...old, pages: [...prepend(old.pages, newer)] })),
        [change],
    );

    useEffect(() => {
        setGone(none);
        setWaiting({ newer: [], gap: false });
    }, [pagesKey]);
    useEffect(() => {
        const now = client.getQueryData<Pages<T>>(pagesKey);
        if (!now || !head.data) return;
        const fresh = freshen(now.pages, head.data);
        if (fresh.pages !== now.pages) change((old) => ({ ...old, pages: [...fresh.pages] }));
        const quiet = sight.current.isAtTop && !fresh.gap;
        if (quiet && fresh.newer.length > 0) take(fresh.newer);
        setGone(fresh.gone);
        setWaiting(quiet ? { newer: [], gap: false } : { newer: fresh.newer, gap: fresh.gap });
    }, [head.data, pagesKey, client, change, take]);

    // Rows in sight that the newest page does not hold: their pages are read again, each by the cursor it was read with.
    const headAt = head.dataUpdatedAt;
    useEffect(() => {
        const now = client.getQueryData<Pages<T>>(pagesKey);
        if (!now || headAt === 0) return;
        const abort = new AbortController();
        let start = 0;
        now.pages.forEach((page, i) => {
            const end = start + page.items.length;
            const inSight = start <= sight.current.last && end > sight.current.first;
            start = end;
            const cursor = now.pageParams[i];
            if (i === 0 || !inSight || cursor === undefined) return;
            ask(cursor, abort.signal)
                .then((again) => {
                    const fresh = freshen(now.pages, again, false);
                    setGone((before) => new Set([...before, ...fresh.gone]));
                    change((old) => ({ ...old, pages: [...freshen(old.pages, again).pages] }));
                })
                .catch(() => undefined); // what is shown stays; the next change asks again
        });
        return () => abort.abort();
    }, [headAt, pagesKey]);

    const list = pages.data?.pages;
    const flat = useRef<Flat<T>>(undefined);
    const items = useMemo(() => {
        flat.current = flatten(list ?? [], flat.current);
        return flat.current.items;
    }, [list]);
    return {
        items,
        isPending: pages.isPending,
        error: pages.error ?? (head.isError && items.length === 0 ? head.error : null),
        hasMore: pages.hasNextPage,
        isMoreComing: pages.isFetchingNextPage,
        more: () => {
            if (pages.hasNextPage && !pages.isFetchingNextPage) void pages.fetchNextPage();
        },
        again: () => void client.resetQueries({ queryKey: pagesKey, exact: true }),
        newer: waiting.newer.length,
        isFar: waiting.gap,
        gone,
        turn,
        show: () => {
            setTurn(turn + 1);
            setGone(none);
            if (waiting.gap || gone.size > 0)
                void client.resetQueries({ queryKey: pagesKey, exact: true });
            else take(waiting.newer);
            setWaiting({ newer: [], gap: false });
        },
        look: useCallback((first: number, last: number, isAtTop: boolean) => {
            sight.current = { first, last, isAtTop };
        }, []),
    };
}
