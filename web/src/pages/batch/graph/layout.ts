/* ELK in a worker for what one can read; columns at once for what is too large for it. Shapes that were laid out stay known. */
import ELK, { type ElkExtendedEdge } from 'elkjs/lib/elk-api.js';
import ElkWorker from 'elkjs/lib/elk-worker.min.js?worker';
import { shapeKey, type Drawing } from '../../../logic/collapse.ts';
import type { Point } from '../../../logic/route.ts';
import { boxSize, columnLayout, type Place } from '../../../logic/layout.ts';

const elkBoxes = 300;
const elkEdges = 1_200;
const patience_ms = 4_000;
const options = {
    'elk.algorithm': 'layered',
    'elk.direction': 'RIGHT',
    'elk.spacing.nodeNode': '14',
    'elk.spacing.componentComponent': '28',
    'elk.layered.spacing.nodeNodeBetweenLayers': '72',
    'elk.edgeRouting': 'ORTHOGONAL',
    'elk.spacing.edgeNode': '10',
    'elk.spacing.edgeEdge': '6',
    'elk.layered.spacing.edgeNodeBetweenLayers': '14',
    'elk.layered.spacing.edgeEdgeBetweenLayers': '6',
    'elk.layered.nodePlacement.strategy': 'BRANDES_KOEPF',
    'elk.layered.considerModelOrder.strategy': 'PREFER_NODES',
};

export type Places = ReadonlyMap<string, Place>;
export interface Layout {
    places: Places;
    /** Ways of the lines round the boxes, by edge; none from the quick layout. */
    routes: ReadonlyMap<string, readonly Point[]>;
}
const known = new Map<string, Layout>();
let elk: InstanceType<typeof ELK> | undefined;

export async function layoutOf(drawing: Drawing): Promise<Layout> {
    const key = shapeKey(drawing);
    const before = known.get(key);
    if (before) return before;
    const layout = await made(drawing);
    if (known.size > 40) known.clear();
    known.set(key, layout);
    return layout;
}

/** In columns, at once: the lines find their own way. */
const inColumns = (drawing: Drawing): Layout => ({
    places: columnLayout(drawing),
    routes: new Map(),
});

async function made(drawing: Drawing): Promise<Layout> {
    if (drawing.boxes.length > elkBoxes || drawing.edges.length > elkEdges)
        return inColumns(drawing);
    try {
        return await within(byElk(drawing), patience_ms);
    } catch {
        elk?.terminateWorker();
        elk = undefined;
        return inColumns(drawing);
    }
}

async function byElk(drawing: Drawing): Promise<Layout> {
    elk ??= new ELK({ workerFactory: () => new ElkWorker() });
    const result = await elk.layout({
        id: 'root',
        layoutOptions: options,
        children: drawing.boxes.map(({ id }) => ({ id, ...boxSize })),
        edges: drawing.edges.map(({ id, from, to }) => ({ id, sources: [from], targets: [to] })),
    });
    return {
        places: new Map(
            (result.children ?? []).map(({ id, x, y }) => [id, { x: x ?? 0, y: y ?? 0 }]),
        ),
        routes: new Map(
            ((result.edges ?? []) as ElkExtendedEdge[]).flatMap(({ id, sections }) => {
                const section = sections?.[0];
                if (!section || id === undefined) return [];
                return [
                    [id, [section.startPoint, ...(section.bendPoints ?? []), section.endPoint]],
                ];
            }),
        ),
    };
}

function within<T>(work: Promise<T>, ms: number): Promise<T> {
    return new Promise((done, failed) => {
        const timer = window.setTimeout(() => failed(new Error('too slow')), ms);
        work.then(done, failed).finally(() => window.clearTimeout(timer));
    });
}
