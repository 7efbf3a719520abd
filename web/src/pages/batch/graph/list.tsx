/* The graph as text: each node with what it waits for. */
import { nodeAt, type Graph } from '../../../logic/graph.ts';
import { byLevel } from '../../../logic/levels.ts';
import { Go } from '../../../parts/go.tsx';
import { Status } from '../../../parts/status.tsx';
import { Name } from '../../../parts/text.tsx';

const most = 500;

export function GraphList(props: {
    graph: Graph;
    visible: ReadonlySet<number>;
    chosen: number | undefined;
    href: (position: number) => string;
}) {
    const { graph, visible, chosen, href } = props;
    const shown = graph.nodes.filter((node) => visible.has(node.position));
    const critical = new Set(graph.critical);
    let left = most;
    return (
        <div className="graph-list" tabIndex={0} role="region" aria-label="The graph as a list">
            {byLevel(shown).map((level) => {
                const nodes = level.nodes.slice(0, Math.max(0, left));
                left -= level.nodes.length;
                return nodes.length === 0 ? null : (
                    <section key={level.level}>
                        <h3>Level {level.level + 1}</h3>
                        <ul>
                            {nodes.map((node) => (
                                <li key={node.position} data-chosen={node.position === chosen}>
                                    <Status state={node.state} size={13} />{' '}
                                    <Go to={href(node.position)}>
                                        <Name max={80}>{node.component}</Name>
                                    </Go>{' '}
                                    in <Name max={60}>{node.stack}</Name>
                                    {critical.has(node.position) && (
                                        <span className="quiet"> · on the critical path</span>
                                    )}
                                    <Parents graph={graph} position={node.position} href={href} />
                                </li>
                            ))}
                        </ul>
                    </section>
                );
            })}
            {shown.length > most && (
                <p className="quiet">
                    The first {most} of {shown.length.toLocaleString('en')}; the table has all of
                    them.
                </p>
            )}
        </div>
    );
}

function Parents(props: { graph: Graph; position: number; href: (position: number) => string }) {
    const parents = props.graph.parents.get(props.position) ?? [];
    if (parents.length === 0) return null;
    return (
        <span className="quiet">
            {' '}
            · waits for{' '}
            {parents.slice(0, 5).map((position, index) => (
                <span key={position}>
                    {index > 0 && ', '}
                    <Go to={props.href(position)}>
                        <Name max={60}>{nodeAt(props.graph, position)?.component ?? ''}</Name>
                    </Go>
                </span>
            ))}
            {parents.length > 5 && ` and ${parents.length - 5} more`}
        </span>
    );
}
