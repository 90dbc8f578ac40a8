import QtQuick 2.0
import calamares.slideshow 1.0

Presentation {
    id: presentation

    Slide {
        Text {
            anchors.centerIn: parent
            font.pixelSize: 28
            color: "#5277c3"
            text: "Your own NixOS"
        }
    }
}
