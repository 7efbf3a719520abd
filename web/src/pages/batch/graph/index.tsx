/*
 * The graph: opens on the chosen node and two steps round it, can show all. Where boxes stand depends on the shape alone, so nothing
 * jumps when states move. The same as a list for those who do not see it, or do not want to.
 */
import '@xyflow/react/dist/style.css';
import { Button, SegmentedControl, Select, Switch, useComputedColorScheme } from '@mantine/core';
import { useReducedMotion } from '@mantine/hooks';
import { IconFocusCentered, IconList } from '@tabler/icons-react';
import {
    Controls,
    MarkerType,
    MiniMap,
    Position,
    ReactFlow,
    ReactFlowProvider,
    useReactFlow,
    useStore,
    type Edge,
    type Node,
} from '@xyflow/react';
import {
    useCallback,
    useEffect,
    useMemo,
    useRef,
    useState,
    type KeyboardEvent,
    type ReactNode,
} from 'react';
import { matches, wordsOf, type BatchSearch } from '../../../logic/batch-filter.ts';
import {
    criticalBoxEdges,
    drawingOf,
    foldFor,
    groupCounts,
    shapeKey,
    type Box,
    type CollapseBy,
    type Drawing,
} from '../../../logic/collapse.ts';
import { focused, type Focus } from '../../../logic/focus.ts';
import { nodeAt, type Graph, type GraphNode } from '../../../logic/graph.ts';
import { boxSize } from '../../../logic/layout.ts';
import type { NodeState } from '../../../logic/states.ts';
import { Waiting } from '../../../parts/page.tsx';
import { lookOf } from '../../../parts/status.tsx';
import type { Change } from '../search.ts';
import { GraphList } from './list.tsx';
import { GroupBoxView, NodeBoxView, type GroupData, type NodeData } from './boxes.tsx';
import { layoutOf, type Layout, type Places } from './layout.ts';
import { RouteEdge } from './edge.tsx';

/** More boxes than this nobody can read; the page folds by itself. */
const foldOver = 150;
/** And more than this no browser draws. */
const boxesMost = 3_000;
/** From so far away nobody reads: boxes become tiles in the colours of their states. */
const farZoom = 0.35;
/* Not called node and group: those have looks of the library's own. */
const edgeTypes = { route: RouteEdge };
const nodeTypes = { unit: NodeBoxView, fold: GroupBoxView };
type FlowNode = Node<NodeData, 'unit'> | Node<GroupData, 'fold'>;

interface GraphProps {
    graph: Graph;
    search: BatchSearch;
    change: (change: Change, isStep?: boolean) => void;
    href: (position: number) => string;
}

export default function BatchGraph(props: GraphProps) {
    return (
        <ReactFlowProvider>
            <Inside {...props} />
        </ReactFlowProvider>
    );
}

function Inside({ graph, search, change, href }: GraphProps) {
    const chosen = search.node;
    const focus: Focus = search.focus ?? (chosen === undefined ? 'all' : 'around');
    const [isCritical, setCritical] = useState(true);
    const [isList, setList] = useState(false);
    const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
    const visible = useMemo(
        () => focused(graph, chosen ?? null, focus),
        // The shape decides, not the states.
        // eslint-disable-next-line react-hooks/exhaustive-deps
        [graph.edges, graph.nodes.length, chosen, focus],
    );
    const fold: CollapseBy =
        search.fold ??
        foldFor(
            graph.nodes.filter((node) => visible.has(node.position)),
            foldOver,
        );
    const wanted = useMemo(
        () => drawingOf(graph, visible, fold, open),
        // eslint-disable-next-line react-hooks/exhaustive-deps
        [graph.edges, graph.nodes.length, visible, fold, open],
    );
    const isTooMuch = wanted.boxes.length > boxesMost;
    const drawing = useMemo(
        () => (isTooMuch ? drawingOf(graph, visible, 'level', new Set()) : wanted),
        // eslint-disable-next-line react-hooks/exhaustive-deps
        [isTooMuch, wanted],
    );
    const laid = useLaidOut(drawing);
    const toggle = useCallback(
        (id: string) =>
            setOpen((before) => {
                const next = new Set(before);
                if (!next.delete(id)) next.add(id);
                return next;
            }),
        [],
    );
    useEffect(() => setOpen(new Set()), [fold]);
    return (
        <div className="graph-frame frame">
            <div className="graph-tools">
                <SegmentedControl
                    aria-label="What is drawn"
                    value={focus}
                    onChange={(value) => change({ focus: value as Focus })}
                    data={[
                        {
                            value: 'around',
                            label: 'Two steps round',
                            disabled: chosen === undefined,
                        },
                        {
                            value: 'ancestors',
                            label: 'What it waits for',
                            disabled: chosen === undefined,
                        },
                        {
                            value: 'dependents',
                            label: 'What waits for it',
                            disabled: chosen === undefined,
                        },
                        { value: 'all', label: 'All' },
                    ]}
                />
                <Select
                    aria-label="Folded by"
                    w={140}
                    allowDeselect={false}
                    value={fold}
                    onChange={(value) => change({ fold: (value ?? 'none') as CollapseBy })}
                    data={[
                        { value: 'none', label: 'Every node' },
                        { value: 'stack', label: 'Fold stacks' },
                        { value: 'level', label: 'Fold levels' },
                    ]}
                />
                <Switch
                    size="xs"
                    label="Critical path"
                    checked={isCritical}
                    onChange={(event) => setCritical(event.currentTarget.checked)}
                />
                <span className="graph-space" />
                <FitButton />
                <Button
                    variant={isList ? 'filled' : 'default'}
                    aria-pressed={isList}
                    leftSection={<IconList size={14} aria-hidden />}
                    onClick={() => setList(!isList)}
                >
                    As a list
                </Button>
            </div>
            {isTooMuch && (
                <p className="quiet graph-note">
                    {wanted.boxes.length.toLocaleString('en')} boxes are more than anybody can read:
                    folded by level.
                </p>
            )}
            {isList ? (
                <GraphList graph={graph} visible={visible} chosen={chosen} href={href} />
            ) : (
                <GraphOrWait isThere={laid !== null}>
                    {laid && (
                        <Canvas
                            graph={graph}
                            drawing={laid.drawing}
                            places={laid.places}
                            routes={laid.routes}
                            chosen={chosen}
                            query={search.q ?? ''}
                            isCritical={isCritical}
                            choose={(position) => change({ node: position }, chosen === undefined)}
                            toggle={toggle}
                        />
                    )}
                </GraphOrWait>
            )}
        </div>
    );
}

function GraphOrWait(props: { isThere: boolean; children: ReactNode }) {
    return props.isThere ? props.children : <Waiting what="Finding places for the boxes…" />;
}

interface Laid extends Layout {
    drawing: Drawing;
}
/** What was drawn before stays until the new places are known. */
function useLaidOut(drawing: Drawing): Laid | null {
    const [laid, setLaid] = useState<Laid | null>(null);
    const key = useMemo(() => shapeKey(drawing), [drawing]);
    useEffect(() => {
        let isOld = false;
        void layoutOf(drawing).then((layout) => {
            if (!isOld) setLaid({ drawing, ...layout });
        });
        return () => {
            isOld = true;
        };
        // eslint-disable-next-line react-hooks/exhaustive-deps
    }, [key]);
    return laid;
}

function FitButton() {
    const flow = useReactFlow();
    return (
        <Button
            variant="default"
            leftSection={<IconFocusCentered size={14} aria-hidden />}
            onClick={() => void flow.fitView({ padding: 0.1, maxZoom: 1 })}
        >
            Fit
        </Button>
    );
}

const handles = [
    {
        type: 'target' as const,
        position: Position.Left,
        x: 0,
        y: boxSize.height / 2,
        width: 1,
        height: 1,
    },
    {
        type: 'source' as const,
        position: Position.Right,
        x: boxSize.width,
        y: boxSize.height / 2,
        width: 1,
        height: 1,
    },
];

function Canvas(props: {
    graph: Graph;
    drawing: Drawing;
    places: Places;
    routes: Layout['routes'];
    chosen: number | undefined;
    query: string;
    isCritical: boolean;
    choose: (position: number) => void;
    toggle: (id: string) => void;
}) {
    const { graph, drawing, places, routes, chosen, query, isCritical, choose, toggle } = props;
    const scheme = useComputedColorScheme('light');
    const isStill = useReducedMotion();
    const flow = useReactFlow();
    const isFar = useStore((state) => state.transform[2] < farZoom);
    const nodes = useFlowNodes(graph, drawing, places, chosen, query, choose, toggle);
    const edges = useFlowEdges(graph, drawing, routes, chosen, isCritical);
    const chosenBox = chosen === undefined ? undefined : drawing.boxOf.get(chosen);
    // The view moves when another shape or another node is looked at; never because a state moved.
    const shape = useRef<Places | null>(null);
    useEffect(() => {
        const isNew = shape.current !== places;
        shape.current = places;
        const place = chosenBox === undefined ? undefined : places.get(chosenBox);
        const duration = isStill || isNew ? 0 : 160;
        if (isNew && (places.size <= 40 || !place))
            void flow.fitView({ padding: 0.12, maxZoom: 1, minZoom: 0.05, duration });
        else if (place)
            void flow.setCenter(place.x + boxSize.width / 2, place.y + boxSize.height / 2, {
                zoom: Math.max(0.6, Math.min(1, flow.getZoom())),
                duration,
            });
    }, [flow, places, chosenBox, isStill]);
    const walk = (event: KeyboardEvent) => {
        const next =
            chosen === undefined ? undefined : neighbour(graph, places, drawing, chosen, event.key);
        if (next === undefined) return;
        event.preventDefault();
        choose(next);
    };
    return (
        <div className="graph-canvas" data-far={isFar} onKeyDown={walk}>
            <ReactFlow<FlowNode, Edge>
                nodes={nodes}
                edges={edges}
                nodeTypes={nodeTypes}
                edgeTypes={edgeTypes}
                colorMode={scheme}
                minZoom={0.03}
                maxZoom={1.5}
                fitView
                fitViewOptions={{ padding: 0.12, maxZoom: 1, minZoom: 0.05 }}
                nodesDraggable={false}
                nodesConnectable={false}
                nodesFocusable={false}
                edgesFocusable={false}
                elementsSelectable={false}
                onlyRenderVisibleElements={drawing.boxes.length > 200}
                deleteKeyCode={null}
                selectionKeyCode={null}
                multiSelectionKeyCode={null}
                disableKeyboardA11y
                proOptions={{ hideAttribution: true }}
                aria-label="Graph of the batch; the button “As a list” shows the same as text"
            >
                <Controls showInteractive={false} showFitView={false} />
                {drawing.boxes.length > 60 && (
                    <MiniMap
                        pannable
                        zoomable
                        ariaLabel="Overview"
                        nodeClassName={(node) => `map-${toneOf(node as FlowNode)}`}
                    />
                )}
            </ReactFlow>
        </div>
    );
}

function toneOf(node: FlowNode): string {
    return node.type === 'unit' ? lookOf(node.data.node.state).tone : 'quiet';
}

/** Objects of boxes whose node stands as it stood are kept: React Flow draws only what is new. */
function useFlowNodes(
    graph: Graph,
    drawing: Drawing,
    places: Places,
    chosen: number | undefined,
    query: string,
    choose: (position: number) => void,
    toggle: (id: string) => void,
): FlowNode[] {
    const kept = useRef(new Map<string, FlowNode>());
    const acts = useRef({ choose, toggle });
    acts.current = { choose, toggle };
    return useMemo(() => {
        const words = wordsOf(query);
        const critical = new Set(graph.critical);
        const next = new Map<string, FlowNode>();
        for (const box of drawing.boxes) {
            const made = boxOf(box, graph, places, chosen, words, critical, acts);
            const before = kept.current.get(box.id);
            next.set(box.id, before && isSameBox(before, made) ? before : made);
        }
        kept.current = next;
        return [...next.values()];
    }, [graph, drawing, places, chosen, query]);
}

function boxOf(
    box: Box,
    graph: Graph,
    places: Places,
    chosen: number | undefined,
    words: readonly string[],
    critical: ReadonlySet<number>,
    acts: { current: { choose: (position: number) => void; toggle: (id: string) => void } },
): FlowNode {
    const frame = {
        id: box.id,
        position: places.get(box.id) ?? { x: 0, y: 0 },
        ...boxSize,
        measured: boxSize,
        handles,
    };
    if (box.kind === 'group') {
        const members = box.positions.flatMap((position) => nodeAt(graph, position) ?? []);
        return {
            ...frame,
            type: 'fold',
            data: {
                name: box.id.startsWith('level:') ? `Level ${Number(box.name) + 1}` : box.name,
                count: box.positions.length,
                counts: [...groupCounts(graph, box)],
                isChosen: chosen !== undefined && box.positions.includes(chosen),
                isDim: words.length > 0 && !members.some((node) => matches(node, words)),
                open: () => acts.current.toggle(box.id),
            },
        };
    }
    const node = nodeAt(graph, box.position)!;
    return {
        ...frame,
        type: 'unit',
        data: {
            node,
            isChosen: box.position === chosen,
            isDim: words.length > 0 && !matches(node, words),
            isCritical: critical.has(box.position),
            choose: () => acts.current.choose(box.position),
        },
    };
}

function isSameBox(a: FlowNode, b: FlowNode): boolean {
    if (a.position.x !== b.position.x || a.position.y !== b.position.y) return false;
    if (a.data.isChosen !== b.data.isChosen || a.data.isDim !== b.data.isDim) return false;
    if (a.type === 'unit' && b.type === 'unit')
        return a.data.node === b.data.node && a.data.isCritical === b.data.isCritical;
    if (a.type === 'fold' && b.type === 'fold')
        return a.data.name === b.data.name && sameCounts(a.data.counts, b.data.counts);
    return false;
}
function sameCounts(a: readonly [NodeState, number][], b: readonly [NodeState, number][]): boolean {
    return (
        a.length === b.length &&
        a.every(([state, count], i) => b[i]![0] === state && b[i]![1] === count)
    );
}

function useFlowEdges(
    graph: Graph,
    drawing: Drawing,
    routes: Layout['routes'],
    chosen: number | undefined,
    isCritical: boolean,
): Edge[] {
    return useMemo(() => {
        const critical = isCritical ? criticalBoxEdges(graph, drawing) : new Set<string>();
        const own = chosen === undefined ? undefined : drawing.boxOf.get(chosen);
        return drawing.edges.map((edge): Edge => {
            const kind = critical.has(edge.id)
                ? 'edge-critical'
                : edge.from === own || edge.to === own
                  ? 'edge-own'
                  : 'edge-plain';
            return {
                id: edge.id,
                source: edge.from,
                target: edge.to,
                className: kind,
                ...(routes.has(edge.id)
                    ? { type: 'route', data: { points: routes.get(edge.id) } }
                    : {}),
                zIndex: kind === 'edge-plain' ? 0 : 1,
                ...(drawing.boxes.length <= 400
                    ? {
                          markerEnd: {
                              type: MarkerType.ArrowClosed,
                              width: 13,
                              height: 13,
                              markerUnits: 'userSpaceOnUse',
                              color: 'var(--line-strong)',
                          },
                      }
                    : {}),
            };
        });
        // eslint-disable-next-line react-hooks/exhaustive-deps
    }, [graph.critical, drawing, routes, chosen, isCritical]);
}

/** Where an arrow key leads: left to what it waits for, right to what waits for it, up and down in its column. */
function neighbour(
    graph: Graph,
    places: Places,
    drawing: Drawing,
    chosen: number,
    key: string,
): number | undefined {
    const isDrawn = (position: number) => drawing.boxOf.get(position) === String(position);
    if (key === 'ArrowLeft') return graph.parents.get(chosen)?.find(isDrawn);
    if (key === 'ArrowRight') return graph.children.get(chosen)?.find(isDrawn);
    if (key !== 'ArrowUp' && key !== 'ArrowDown') return undefined;
    const own = places.get(String(chosen));
    if (!own) return undefined;
    const sign = key === 'ArrowUp' ? -1 : 1;
    let best: { position: number; distance: number } | undefined;
    for (const box of drawing.boxes) {
        const place = places.get(box.id);
        if (box.kind !== 'node' || !place || Math.abs(place.x - own.x) > boxSize.width / 2)
            continue;
        const distance = (place.y - own.y) * sign;
        if (distance > 0 && (!best || distance < best.distance))
            best = { position: box.position, distance };
    }
    return best?.position;
}

export type { GraphNode };
