/* The batch: where people come when something waits or fails. What happened, why, and what can be done; then every node. */
import { Button, SegmentedControl, Select } from '@mantine/core';
import { useParams } from '@tanstack/react-router';
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef } from 'react';
import { useActs } from '../../app/acts.ts';
import { useKeys } from '../../app/keys.ts';
import { Problem } from '../../app/problem.tsx';
import { useRights } from '../../api/queries.ts';
import {
    filterNodes,
    batchViews,
    isFiltered,
    type BatchSearch,
    type BatchView,
} from '../../logic/batch-filter.ts';
import { nextFailure } from '../../logic/failures.ts';
import type { Graph, GraphNode } from '../../logic/graph.ts';
import { byLevel, compare } from '../../logic/levels.ts';
import { plainName } from '../../logic/names.ts';
import { countStates, isNodeState, progressOf, type NodeState } from '../../logic/states.ts';
import { Filter } from '../../parts/filters.tsx';
import { Empty, Page, Waiting } from '../../parts/page.tsx';
import './batch.css';
import { rereadGraph, useBatch, useBatchNews, useGraph, type Batch } from './data.ts';
import { Attention } from './attention.tsx';
import { Failures } from './failures.tsx';
import { Acts, Facts, Progress, Released, Title, titleOf } from './header.tsx';
import { HoldCallout } from './hold.tsx';
import { Outcome } from './outcome.tsx';
import { Panel } from './panel.tsx';
import { useBatchSearch, useNodeHref, type Change } from './search.ts';
import { NodeTable } from './table.tsx';
import { Waterfall } from './waterfall.tsx';

const BatchGraph = lazy(() => import('./graph/index.tsx'));

export default function BatchPage() {
    const { batchId } = useParams({ strict: false }) as { batchId: string };
    const batch = useBatch(batchId);
    const graph = useGraph(batchId);
    useBatchNews(batchId);
    useFreshGraph(batch.data, graph.data);
    if (batch.error && !batch.data)
        return (
            <Page title="Batch">
                <Problem
                    error={batch.error}
                    title="This batch could not be read"
                    again={() => void batch.refetch()}
                />
            </Page>
        );
    if (!batch.data)
        return (
            <Page title="Batch" name="Batch">
                <Waiting />
            </Page>
        );
    return (
        <Known
            key={batchId}
            batch={batch.data}
            graph={graph.data}
            error={graph.error}
            again={() => void graph.refetch()}
        />
    );
}

/** The stream tells of nodes that are known. When there are others, or none was known yet, the whole is read. */
function useFreshGraph(batch: Batch | undefined, graph: Graph | undefined): void {
    const id = batch?.id;
    const isBehind =
        batch !== undefined && graph !== undefined && batch.nodeCount !== graph.nodes.length;
    const isPrepared = batch !== undefined && batch.state !== 'preparing';
    useEffect(() => {
        if (id !== undefined && isBehind && isPrepared) rereadGraph(id);
    }, [id, isBehind, isPrepared]);
}

function countsOf(batch: Batch, graph: Graph | undefined): Map<NodeState, number> {
    if (graph && graph.nodes.length > 0) return countStates(graph.nodes.map((node) => node.state));
    const counts = new Map<NodeState, number>();
    for (const [state, count] of Object.entries(batch.counts ?? {}))
        if (isNodeState(state)) counts.set(state, count);
    return counts;
}

function tabName(batch: Batch, counts: ReadonlyMap<NodeState, number>): string {
    const { done, of } = progressOf(counts);
    const title = plainName(titleOf(batch)).slice(0, 80);
    if (batch.state === 'held') return `Held: ${title}`;
    return batch.state === 'running' && of > 0 ? `${done}/${of} ${title}` : title;
}

function Known(props: {
    batch: Batch;
    graph: Graph | undefined;
    error: Error | null;
    again: () => void;
}) {
    const { batch, graph } = props;
    const rights = useRights(batch.repositoryId);
    const [search, change] = useBatchSearch();
    const href = useNodeHref();
    const counts = useMemo(() => countsOf(batch, graph), [batch, graph]);
    return (
        <Page
            title={<Title batch={batch} />}
            name={tabName(batch, counts)}
            sub={<Facts batch={batch} />}
            acts={<Acts batch={batch} counts={counts} mayOperate={rights.operate} />}
        >
            <Progress
                batch={batch}
                counts={counts}
                state={search.state}
                choose={(state) => change({ state })}
            />
            <Released batch={batch} />
            <HoldCallout batch={batch} mayOperate={rights.operate} why={rights.why} />
            <Outcome batch={batch} href={href} />
            {props.error && !graph && (
                <Problem
                    error={props.error}
                    title="The nodes could not be read"
                    again={props.again}
                />
            )}
            {!graph && !props.error && <Waiting what="Reading the nodes…" />}
            {graph && graph.nodes.length > 0 && (
                <Nodes
                    batch={batch}
                    graph={graph}
                    search={search}
                    change={change}
                    href={href}
                    mayOperate={rights.operate}
                />
            )}
        </Page>
    );
}

function Nodes(props: {
    batch: Batch;
    graph: Graph;
    search: BatchSearch;
    change: (change: Change, isStep?: boolean) => void;
    href: (position: number) => string;
    mayOperate: boolean;
}) {
    const { batch, graph, search, change, href } = props;
    const shown = useMemo(() => filterNodes(graph.nodes, search), [graph, search]);
    const view = search.view ?? 'table';
    const choose = useCallback(
        (position: number | undefined) =>
            change({ node: position }, position !== undefined && search.node === undefined),
        [change, search.node],
    );
    useNodeKeys(shown, search, choose, change);
    const strips = useStillRows();
    return (
        <div className="batch-split" data-open={search.node !== undefined}>
            <div className="batch-main">
                <div className="batch-strips" ref={strips}>
                    <Failures
                        graph={graph}
                        href={href}
                        showAll={() => change({ state: 'failed', view: undefined })}
                    />
                    <Attention batch={batch} graph={graph} href={href} />
                </div>
                <Tools {...props} shown={shown.length} />
                {view === 'table' &&
                    (shown.length === 0 ? (
                        <NoMatch clear={() => change(noFilter)} />
                    ) : (
                        <NodeTable
                            graph={graph}
                            nodes={shown}
                            chosen={search.node}
                            isNarrow={search.node !== undefined}
                            href={href}
                            choose={choose}
                        />
                    ))}
                {view === 'graph' && (
                    <Suspense fallback={<Waiting what="Drawing…" />}>
                        <BatchGraph graph={graph} search={search} change={change} href={href} />
                    </Suspense>
                )}
                {view === 'waterfall' && (
                    <Waterfall graph={graph} shown={shown} chosen={search.node} href={href} />
                )}
            </div>
            {search.node !== undefined && (
                <Panel
                    key={search.node}
                    batch={batch}
                    graph={graph}
                    position={search.node}
                    mayOperate={props.mayOperate}
                    href={href}
                    close={() => choose(undefined)}
                />
            )}
        </div>
    );
}

/** What appears above the list does not move the rows under the eyes of who has scrolled to them. */
function useStillRows() {
    const place = useRef<HTMLDivElement>(null);
    useEffect(() => {
        const box = place.current;
        if (!box) return undefined;
        const list = () => box.parentElement?.querySelector<HTMLElement>('.rows');
        let top = list()?.offsetTop ?? 0;
        const watch = new ResizeObserver(() => {
            const rows = list();
            if (!rows) return;
            if (rows.scrollTop > 0) rows.scrollTop += rows.offsetTop - top;
            top = rows.offsetTop;
        });
        watch.observe(box);
        return () => watch.disconnect();
    }, []);
    return place;
}

const noFilter: Change = { state: undefined, stack: undefined, component: undefined, q: undefined };

function NoMatch(props: { clear: () => void }) {
    return (
        <Empty title="No node matches" acts={<Button onClick={props.clear}>Show all nodes</Button>}>
            The filter in the address leaves nothing.
        </Empty>
    );
}

function useNodeKeys(
    shown: readonly GraphNode[],
    search: BatchSearch,
    choose: (position: number | undefined) => void,
    change: (change: Change, isStep?: boolean) => void,
): void {
    const failure = () => {
        const rows = byLevel(shown).flatMap((level) => level.nodes);
        const next = nextFailure(rows, search.node ?? null);
        if (next) choose(next.position);
    };
    useKeys([
        { keys: 'f', doc: 'Next failure', run: failure },
        { keys: 'Escape', doc: 'Close the node', run: () => choose(undefined) },
    ]);
    useActs([
        ...(shown.length > 0 ? [{ id: 'next-failure', label: 'Next failure', run: failure }] : []),
        ...batchViews
            .filter((view) => view !== (search.view ?? 'table'))
            .map((view) => ({
                id: `view-${view}`,
                label: `Show as a ${view}`,
                run: () => change({ view: view === 'table' ? undefined : view }, true),
            })),
    ]);
}

function Tools(props: {
    graph: Graph;
    search: BatchSearch;
    change: (change: Change, isStep?: boolean) => void;
    shown: number;
}) {
    const { graph, search, change, shown } = props;
    const all = graph.nodes.length;
    // The names do not change while states do: made from the shape.
    const stacks = useMemo(
        () => namesOf(graph.nodes.map((node) => node.stack)),
        // eslint-disable-next-line react-hooks/exhaustive-deps
        [graph.edges, all],
    );
    const components = useMemo(
        () => namesOf(graph.nodes.map((node) => node.component)),
        // eslint-disable-next-line react-hooks/exhaustive-deps
        [graph.edges, all],
    );
    const setQuery = useCallback((q: string) => change({ q: q === '' ? undefined : q }), [change]);
    return (
        <div className="batch-tools" role="search">
            <SegmentedControl
                aria-label="View"
                value={search.view ?? 'table'}
                onChange={(value) =>
                    change({ view: value === 'table' ? undefined : (value as BatchView) }, true)
                }
                data={[
                    { value: 'table', label: 'Table' },
                    { value: 'graph', label: 'Graph' },
                    { value: 'waterfall', label: 'Waterfall' },
                ]}
            />
            <Filter
                value={search.q ?? ''}
                onChange={setQuery}
                label="Filter nodes"
                placeholder="Filter   /"
                width={170}
            />
            <NameSelect
                label="Stack"
                data={stacks}
                value={search.stack ?? null}
                set={(stack) => change({ stack: stack ?? undefined })}
                width={140}
            />
            <NameSelect
                label="Component"
                data={components}
                value={search.component ?? null}
                set={(component) => change({ component: component ?? undefined })}
                width={140}
            />
            <span className="quiet" role="status">
                {isFiltered(search) && (
                    <>
                        {shown.toLocaleString('en')} of {all.toLocaleString('en')}{' '}
                        <button type="button" className="link" onClick={() => change(noFilter)}>
                            show all
                        </button>
                    </>
                )}
            </span>
        </div>
    );
}

interface Choice {
    value: string;
    label: string;
}
function NameSelect(props: {
    label: string;
    data: Choice[];
    value: string | null;
    set: (value: string | null) => void;
    width: number;
}) {
    return (
        <Select
            aria-label={props.label}
            placeholder={props.label}
            data={props.data}
            value={props.value}
            onChange={props.set}
            clearable
            searchable={props.data.length > 8}
            limit={100}
            w={props.width}
            comboboxProps={{ width: 260, position: 'bottom-start' }}
        />
    );
}

function namesOf(names: readonly string[]): Choice[] {
    return [...new Set(names)]
        .sort(compare)
        .map((value) => ({ value, label: plainName(value).slice(0, 120) || '(no name)' }));
}
