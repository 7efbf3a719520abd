/* Small things that table, panel, graph and waterfall share. */
import { nodeAt, type Counts, type Graph, type GraphNode } from '../../logic/graph.ts';
import { isEnded, isLive } from '../../logic/states.ts';
import { Duration, Took } from '../../parts/time.tsx';
import { Name } from '../../parts/text.tsx';

/** "+3 ~1 -2", read as words by those who listen. */
export function PlanCounts(props: { counts: Counts | null | undefined }) {
    const { counts } = props;
    if (!counts) return null;
    const { create = 0, change = 0, replace = 0, destroy = 0 } = counts;
    if (create + change + replace + destroy === 0) return <span className="quiet">no changes</span>;
    const parts = [
        ['+', create, 'to add', 'good'],
        ['~', change, 'to change', 'wait'],
        ['±', replace, 'to replace', 'bad'],
        ['−', destroy, 'to destroy', 'bad'],
    ] as const;
    const shown = parts.filter(([, count]) => count > 0);
    const words = shown.map(([, count, word]) => `${count} ${word}`).join(', ');
    return (
        <span className="plan-counts" role="img" aria-label={words} title={words}>
            {shown.map(([sign, count, word, tone]) => (
                <span key={word} data-tone={tone}>
                    {sign}
                    {count}
                </span>
            ))}
        </span>
    );
}

/** How long it took or takes; before that, how long it usually does. */
export function NodeTime(props: { node: GraphNode }) {
    const { node } = props;
    if (node.startedMs !== null && (isLive(node.state) || isEnded(node.state)))
        return (
            <Took
                from={node.startedMs}
                to={node.endedMs ?? (isEnded(node.state) ? node.startedMs + node.durationMs : null)}
            />
        );
    if (isEnded(node.state) || node.durationMs <= 0) return <span className="quiet">–</span>;
    return (
        <span className="quiet" title="How long it usually takes">
            ~<Duration ms={node.durationMs} />
        </span>
    );
}

/** In a few words why it stands as it does: the server's, or what it waits for. */
export function NodeWhy(props: { node: GraphNode; graph: Graph }) {
    const { node, graph } = props;
    if (node.reason !== null && node.reason !== '')
        return (
            <bdi className="quiet" title={node.reason}>
                {node.reason}
            </bdi>
        );
    if (node.state !== 'waiting') return null;
    const open = (graph.parents.get(node.position) ?? []).filter((position) => {
        const parent = nodeAt(graph, position);
        return parent !== undefined && !isEnded(parent.state);
    });
    const first = open[0] === undefined ? undefined : nodeAt(graph, open[0]);
    if (!first) return null;
    return (
        <span className="quiet">
            after <Name max={60}>{first.component}</Name>
            {first.stack !== node.stack && (
                <>
                    {' in '}
                    <Name max={40}>{first.stack}</Name>
                </>
            )}
            {open.length > 1 && ` and ${open.length - 1} more`}
        </span>
    );
}
