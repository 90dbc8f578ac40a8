import QtQuick 2.15
import calamares.slideshow 1.0
import io.calamares.core 1.0 as Core

Presentation {
    id: presentation

    Slide {
        Text {
            anchors.centerIn: parent
            color: "#6586c8"
            font.pixelSize: 30
            text: "Your own configuration"
        }
    }

    Connections {
        target: Core.Global

        function onChanged() {
            Qt.callLater(presentation.trace);
        }
    }

    function trace() {
        const said = Core.Global.value("nixCfgInstall");
        if (said && said.step)
            console.log("trace " + JSON.stringify([Date.now(), said.step, said.fraction, said.phase, said.text, said.item]));
    }

    NixCfgStatus {}
}
