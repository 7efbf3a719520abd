/* What went wrong, first and by cause: forty nodes that failed for one reason are one line. */
import { Button } from '@mantine/core';
import { useMemo } from 'react';
import { descendants } from '../../logic/focus.ts';
import { failuresByCause } from '../../logic/failures.ts';
import { nodeAt, type Graph } from '../../logic/graph.ts';
import { Go } from '../../parts/go.tsx';
import { lookOf, Status } from '../../parts/status.tsx';
import { Name } from '../../parts/text.tsx';

const causesShown = 4;
const nodesShown = 3;

export function Failures(props: {
    graph: Graph;
    href: (position: number) => string;
    showAll: () => void;
}) {
    const { graph, href, showAll } = props;
    const causes = useMemo(
        () =>
            failuresByCause(graph.nodes, (positions) => {
                let skipped = 0;
                for (const below of descendants(graph, ...positions))
                    if (nodeAt(graph, below)?.state === 'skipped') skipped++;
                return skipped;
            }),
        [graph],
    );
    if (causes.length === 0) return null;
    const count = causes.reduce((sum, cause) => sum + cause.nodes.length, 0);
    return (
        <section className="frame batch-failures" aria-label={`${count} failed`}>
            {causes.slice(0, causesShown).map((cause) => (
                <div key={cause.key} className="batch-cause">
                    <Status
                        state={cause.state}
                        word={`${cause.nodes.length} ${lookOf(cause.state).word}`}
                    />
                    <div>
                        {cause.nodes.slice(0, nodesShown).map((node, index) => (
                            <span key={node.position}>
                                {index > 0 && ', '}
                                <Go to={href(node.position)}>
                                    <Name max={60}>{node.component}</Name>
                                </Go>{' '}
                                in <Name max={40}>{node.stack}</Name>
                            </span>
                        ))}
                        {cause.nodes.length > nodesShown &&
                            ` and ${(cause.nodes.length - nodesShown).toLocaleString('en')} more`}
                        {cause.text !== '' && (
                            <bdi className="quiet batch-cause-text" title={cause.text}>
                                {cause.text}
                            </bdi>
                        )}
                    </div>
                    <span className="quiet">
                        {cause.skipped > 0 &&
                            `${cause.skipped.toLocaleString('en')} skipped behind`}
                    </span>
                </div>
            ))}
            {(causes.length > causesShown || count > causesShown * nodesShown) && (
                <Button variant="subtle" onClick={showAll}>
                    Show all {count.toLocaleString('en')} that failed
                </Button>
            )}
        </section>
    );
}
