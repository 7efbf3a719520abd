/* What the batch page reads, and how news of the stream come into it. Orders of people are here, too. */
import { useQuery } from '@tanstack/react-query';
import { useCallback, useEffect, useRef } from 'react';
import { call, type Schemas } from '../../api/client.ts';
import { newOrderKey } from '../../api/order-key.ts';
import { useWatchedBatch, type LiveBatch } from '../../api/live.ts';
import { queries, useRead, type Order } from '../../api/queries.ts';
import { graphOf, type Graph } from '../../logic/graph.ts';
import { adopt, mergeNodes, type NodeNews } from '../../logic/live-merge.ts';

export type Batch = Schemas['Batch'];
export type Hold = Schemas['Hold'];
export type NodeWhole = Schemas['NodeWhole'];
export type NodeRun = Schemas['NodeRun'];
export type Explanation = Schemas['Explanation'];
export type Reason = Schemas['Reason'];

const part = encodeURIComponent;
const pathOf = (batchId: string) => `/api/v1/batches/${part(batchId)}`;
const graphKey = (batchId: string) => [`${pathOf(batchId)}/graph`, {}];
const batchKey = (batchId: string) => [pathOf(batchId), {}];

export function useBatch(batchId: string) {
    return useRead<Batch>({ path: pathOf(batchId), on: ['batches'], batch: batchId });
}

/** Read whole once; after that the stream tells what changes, and only without it the whole is read again. */
export function useGraph(batchId: string) {
    return useQuery<Graph>({
        queryKey: graphKey(batchId),
        queryFn: ({ signal }) => readGraph(batchId, signal),
        structuralSharing: (old, next) => adopt(old as Graph | undefined, next as Graph),
        staleTime: Infinity,
        meta: { concern: { on: [], batch: batchId } },
    });
}

/** News that come while the whole is being read: perhaps newer than it. An older one is put right by the next, since all are told. */
const meanwhile = new Set<{ batchId: string; news: NodeNews[] }>();

async function readGraph(batchId: string, signal: AbortSignal): Promise<Graph> {
    const heard = { batchId, news: [] as NodeNews[] };
    meanwhile.add(heard);
    const path = `${pathOf(batchId)}/graph`;
    try {
        const graph = graphFrom(await call<Schemas['BatchGraph']>('GET', path, { signal }));
        return mergeNodes(graph, heard.news).graph;
    } finally {
        meanwhile.delete(heard);
    }
}

function graphFrom(data: Schemas['BatchGraph']): Graph {
    return graphOf(
        data.nodes.map((node) => ({
            position: node.position,
            stack: node.stack,
            component: node.component,
            workflow: node.workflow,
            state: node.state,
            level: node.level,
            durationMs: node.durationMs,
            reason: node.reason ?? null,
            runId: node.runId ?? null,
            runUrl: node.runUrl ?? null,
            command: node.command || node.class,
            counts: node.counts ?? null,
            attempt: node.attempt,
            startedMs: node.startedMs ?? null,
            endedMs: node.endedMs ?? null,
        })),
        data.edges.map(([from, to]) => [from ?? -1, to ?? -1] as const),
        data.critical,
    );
}

/** Counts, state and nodes move at once; figures that the stream does not tell come a moment later by themselves. */
export function useBatchNews(batchId: string): void {
    const take = useCallback(
        (news: LiveBatch) => {
            let isBehind = false;
            for (const heard of meanwhile)
                if (heard.batchId === batchId) heard.news.push(...news.nodes);
            rereadLater(batchId);
            queries.setQueryData<Graph>(graphKey(batchId), (old) => {
                if (!old) return old;
                const merged = mergeNodes(old, news.nodes);
                isBehind = merged.isBehind;
                return merged.graph;
            });
            queries.setQueryData<Batch>(batchKey(batchId), (old) => {
                if (!old) return old;
                const state = news.state as Batch['state'];
                const holds = state === 'held' ? old.holds : [];
                return { ...old, state, counts: news.counts, holds };
            });
            if (isBehind) void queries.invalidateQueries({ queryKey: graphKey(batchId) });
        },
        [batchId],
    );
    useWatchedBatch(batchId, take);
}

/**
 * Figures that the stream does not tell (what a plan would change, links of runs): the whole is read again some time after news, the
 * more seldom the larger it is, and not by all pages at the same moment.
 */
const later = new Map<string, number>();
const reread_ms_min = 4_000;
function rereadLater(batchId: string): void {
    if (later.has(batchId)) return;
    const size = queries.getQueryData<Graph>(graphKey(batchId))?.nodes.length ?? 0;
    const wait_ms = Math.max(reread_ms_min, size * 20) * (0.75 + Math.random() / 2);
    const read = () => {
        later.delete(batchId);
        if (document.hidden) return;
        rereadGraph(batchId);
        void queries.invalidateQueries({ queryKey: batchKey(batchId) });
    };
    later.set(batchId, window.setTimeout(read, wait_ms));
}

/** After an order: at once, whether the stream tells of it or not. */
export function reread(batchId: string): void {
    const own = pathOf(batchId);
    void queries.invalidateQueries({
        predicate: ({ queryKey: [path] }) => path === own || String(path).startsWith(`${own}/`),
    });
}

export function rereadGraph(batchId: string): void {
    void queries.invalidateQueries({ queryKey: graphKey(batchId) });
}

export function useNode(batchId: string, position: number | undefined) {
    return useRead<NodeWhole>({
        path: `${pathOf(batchId)}/nodes/${position}`,
        on: ['runs', 'batches', 'locks'],
        batch: batchId,
        enabled: position !== undefined,
    });
}
export function useNodeReasons(batchId: string, position: number | undefined) {
    return useRead<Explanation>({
        path: `${pathOf(batchId)}/nodes/${position}/explain`,
        on: ['runs', 'batches', 'locks'],
        batch: batchId,
        enabled: position !== undefined,
    });
}
/** Of the batch as a whole. `moment` names what it depends on: it is asked again when that is another one. */
export function useReasons(batchId: string, moment = '', enabled = true) {
    const reasons = useRead<Explanation>({
        path: `${pathOf(batchId)}/explain`,
        on: ['locks', 'budget'],
        enabled,
    });
    const { refetch } = reasons;
    const asked = useRef(moment);
    useEffect(() => {
        if (!enabled || asked.current === moment) return;
        asked.current = moment;
        void refetch();
    }, [enabled, moment, refetch]);
    return reasons;
}

/* ---- orders ---- */

/** One key a press of a button: a press that is sent twice is one order. */
const post = (path: string): Order => ({ method: 'POST', path, key: newOrderKey() });

export const retryOrder = (batchId: string) => post(`${pathOf(batchId)}/retry`);
export const cancelOrder = (batchId: string) => post(`${pathOf(batchId)}/cancel`);
export const rerunOrder = (batchId: string, position: number) =>
    post(`${pathOf(batchId)}/nodes/${position}/rerun`);
export const cancelNodeOrder = (batchId: string, position: number) =>
    post(`${pathOf(batchId)}/nodes/${position}/cancel`);
/** Ends this grant, and no other: when somebody else has taken the lock by now, theirs stays and the node waits. */
export const skipWaitOrder = (batchId: string, position: number, lock: Schemas['Lock']): Order => ({
    ...post(`${pathOf(batchId)}/nodes/${position}/skip-wait`),
    body: { token: Number(lock.token) },
});

export type ReleaseWay = 'release' | 'parts' | 'resume';
export interface Release {
    way: ReleaseWay;
    label: string;
}
/** How a person lets it go; null: no person may, it goes by itself. */
export function releaseOf(batch: Batch): Release | null {
    const holds = (batch.holds ?? []).filter((hold) => hold.control !== '');
    const byPerson = holds.filter((hold) => hold.kind !== 'rate_limit');
    const last = byPerson.at(-1) ?? holds.at(-1);
    if (!last) return null;
    if (byPerson.length === 0) return { way: 'parts', label: last.control };
    const isPause = byPerson.every((hold) => hold.kind === 'rapid_push');
    const isPull = batch.change?.kind === 'pull_request';
    return { way: isPause && isPull ? 'resume' : 'release', label: last.control };
}
export const releaseOrder = (batch: Batch, way: ReleaseWay): Order =>
    way === 'resume'
        ? post(`/api/v1/repositories/${batch.repositoryId}/pulls/${batch.change?.number}/resume`)
        : post(`${pathOf(batch.id)}/${way}`);

/** 202: it is in the queue of its repository, and what comes of it is seen on the page. */
export function isPending(outcome: Record<string, unknown> | null | undefined): boolean {
    return outcome?.['state'] === 'pending';
}
