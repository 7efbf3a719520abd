import { Empty, Page } from '../../parts/page.tsx';

export default function Instance() {
    return (
        <Page title="Instance">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
