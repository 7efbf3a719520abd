/* What keeps a batch that runs from going on: somebody's lock, a reviewer, the budget. With what would change it. */
import type { Graph } from '../../logic/graph.ts';
import { moodOf } from '../../logic/states.ts';
import { useReasons, type Batch, type Reason } from './data.ts';
import { Reasons } from './reasons.tsx';

const codes: ReadonlySet<Reason['code']> = new Set<Reason['code']>([
    'app_gone',
    'waits_for_budget',
    'locked',
    'live_run',
    'approval',
    'call_lost',
    'put_back',
]);
const shownMost = 3;

export function Attention(props: {
    batch: Batch;
    graph: Graph;
    href: (position: number) => string;
}) {
    const { batch, graph, href } = props;
    let active = 0;
    const needs: number[] = [];
    for (const { position, state } of graph.nodes) {
        const mood = moodOf(state);
        if (mood === 'needs') needs.push(position);
        else if (mood === 'active') active++;
    }
    // While all goes well nobody asks: most batches are like that, and many people may look at one.
    const isStuck = batch.state === 'running' && (needs.length > 0 || active === 0);
    const { data } = useReasons(batch.id, needs.join(), isStuck);
    const reasons = data?.reasons.filter((reason) => codes.has(reason.code)) ?? [];
    if (!isStuck || reasons.length === 0) return null;
    return (
        <section className="frame batch-attention" aria-label="What it waits for">
            <Reasons reasons={reasons.slice(0, shownMost)} batchId={batch.id} href={href} isShort />
        </section>
    );
}
