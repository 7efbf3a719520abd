/* What stands in the graph: a node, or a folded stack or level with the counts of its states. */
import { Handle, Position, type Node, type NodeProps } from '@xyflow/react';
import { VisuallyHidden } from '@mantine/core';
import { memo } from 'react';
import type { GraphNode } from '../../../logic/graph.ts';
import { inBarOrder, type NodeState } from '../../../logic/states.ts';
import { lookOf } from '../../../parts/status.tsx';
import { Name } from '../../../parts/text.tsx';

export interface NodeData extends Record<string, unknown> {
    node: GraphNode;
    isChosen: boolean;
    isDim: boolean;
    isCritical: boolean;
    choose: () => void;
}
export interface GroupData extends Record<string, unknown> {
    name: string;
    count: number;
    counts: [NodeState, number][];
    isChosen: boolean;
    isDim: boolean;
    open: () => void;
}

export const NodeBoxView = memo(function NodeBoxView({ data }: NodeProps<Node<NodeData, 'unit'>>) {
    const { node } = data;
    const look = lookOf(node.state);
    const Icon = look.icon;
    return (
        <>
            <Handle type="target" position={Position.Left} isConnectable={false} />
            <button
                type="button"
                className="box nodrag"
                data-tone={look.tone}
                data-chosen={data.isChosen}
                data-dim={data.isDim}
                data-critical={data.isCritical}
                aria-current={data.isChosen ? 'true' : undefined}
                onClick={data.choose}
            >
                <span className="status" data-tone={look.tone} data-turns={look.turns ?? false}>
                    <Icon size={15} stroke={2} aria-hidden />
                </span>
                <span className="box-text">
                    <span className="box-name">
                        <Name max={28}>{node.component}</Name>
                    </span>
                    <span className="box-sub">
                        <span className="status" data-tone={look.tone}>
                            {look.word}
                        </span>{' '}
                        <span className="box-name-sub">
                            <Name max={40}>{node.stack}</Name>
                        </span>
                    </span>
                </span>
            </button>
            <Handle type="source" position={Position.Right} isConnectable={false} />
        </>
    );
});

export const GroupBoxView = memo(function GroupBoxView({
    data,
}: NodeProps<Node<GroupData, 'fold'>>) {
    const parts = inBarOrder(new Map(data.counts));
    return (
        <>
            <Handle type="target" position={Position.Left} isConnectable={false} />
            <button
                type="button"
                className="box box-group nodrag"
                data-chosen={data.isChosen}
                data-dim={data.isDim}
                title="Unfold"
                onClick={data.open}
            >
                <span className="box-text">
                    <span className="box-name">
                        <Name max={26}>{data.name}</Name>{' '}
                        <span className="quiet">{data.count}</span>
                        <VisuallyHidden> nodes</VisuallyHidden>
                    </span>
                    <span className="box-sub">
                        {parts.slice(0, 4).map(([state, count]) => {
                            const look = lookOf(state);
                            const Icon = look.icon;
                            return (
                                <span
                                    key={state}
                                    className="status"
                                    data-tone={look.tone}
                                    title={`${count} ${look.word}`}
                                >
                                    <Icon size={12} stroke={2} aria-hidden />
                                    {count}
                                    <VisuallyHidden> {look.word}</VisuallyHidden>
                                </span>
                            );
                        })}
                    </span>
                </span>
            </button>
            <Handle type="source" position={Position.Right} isConnectable={false} />
        </>
    );
});
