/* What came while somebody reads further down. Nothing moves until they ask. */
import { Button } from '@mantine/core';
import { IconArrowUp } from '@tabler/icons-react';

export function NewerPill({
    newer,
    isFar,
    show,
}: {
    newer: number;
    isFar: boolean;
    show: () => void;
}) {
    return (
        <div className="newer" aria-live="polite">
            {newer > 0 && (
                <Button
                    radius="xl"
                    size="compact-sm"
                    leftSection={<IconArrowUp size={14} aria-hidden />}
                    onClick={show}
                >
                    {isFar ? `${newer}+` : newer} newer
                </Button>
            )}
        </div>
    );
}
