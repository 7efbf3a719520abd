/* The stream of changes, wired to what the pages read: what is shown and concerned is asked again, at once and then once a second. */
import { useEffect, useSyncExternalStore } from 'react';
import { isConcerned, Pace, Stream, type Connection } from '../logic/stream.ts';
import { queries } from './queries.ts';

export type { Connection } from '../logic/stream.ts';

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

const refetch_ms_min = 1_000;
const batchListeners = new Set<(batch: LiveBatch) => void>();
const pace = new Pace(
    refetch_ms_min,
    (hash) => void queries.invalidateQueries({ predicate: (query) => query.queryHash === hash }),
);

export const live = new Stream({
    connect: (url) => new EventSource(url),
    resync: () =>
        void queries.invalidateQueries({
            predicate: ({ meta, state }) =>
                meta?.concern !== undefined &&
                (state.dataUpdatedAt > 0 || state.status === 'error'),
        }),
    changed: (changed) => {
        for (const query of queries.getQueryCache().getAll())
            if (isConcerned(query.meta?.concern, changed)) pace.ask(query.queryHash);
    },
    batch: (news) => {
        for (const listener of batchListeners) listener(news as LiveBatch);
    },
    random: Math.random,
});

export function useConnection(): Connection {
    return useSyncExternalStore(live.onState, () => live.state);
}

/** While the page is shown, the nodes of this batch are told one by one. */
export function useWatchedBatch(batchId: string, take: (batch: LiveBatch) => void): void {
    useEffect(() => {
        const listener = (batch: LiveBatch) => {
            if (batch.batchId === batchId) take(batch);
        };
        live.watch(batchId);
        batchListeners.add(listener);
        return () => {
            batchListeners.delete(listener);
            if (live.batch === batchId) live.watch('');
        };
    }, [batchId, take]);
}
