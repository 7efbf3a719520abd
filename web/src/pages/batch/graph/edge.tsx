/* A line where the layout wants it: round the boxes, not behind them. */
import { BaseEdge, type Edge, type EdgeProps } from '@xyflow/react';
import { roundedPath, type Point } from '../../../logic/route.ts';

export type RouteData = { points: readonly Point[] };

export function RouteEdge({ data, markerEnd }: EdgeProps<Edge<RouteData, 'route'>>) {
    return (
        <BaseEdge path={roundedPath(data?.points ?? [])} {...(markerEnd ? { markerEnd } : {})} />
    );
}
